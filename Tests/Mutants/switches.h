// Switches of the plugins that are broken on purpose.
#ifndef MUTANTS_SWITCHES_H
#define MUTANTS_SWITCHES_H

// M(NAME) is 1 when the compiler was given -DM_NAME, else 0: a mutation is an `if`, so all of them always compile.
#define M_PLACEHOLDER_1 0,
#define M_SECOND(ignored, value, ...) value
#define M_CHOOSE(junk) M_SECOND(junk 1, 0)
#define M_EXPAND(value) M_CHOOSE(M_PLACEHOLDER_##value)
#define M_VALUE(value) M_EXPAND(value)
#define M(name) M_VALUE(M_##name)

#endif
