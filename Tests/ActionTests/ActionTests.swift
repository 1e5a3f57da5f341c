import Action
