import Domain

/// Why a backup cannot be made, is not sound, or cannot be restored.
enum BackupError: OperatorError, Equatable {
  case exists(path: String)
  case underWay
  case erasing(TenantID)
  case notOne(path: String, reason: String)
  case otherFormat(path: String, found: Int, understood: Int)
  case partDiffers(path: String, part: String, reason: String)
  case cutOff(path: String, part: String)
  case notEmpty(folder: String)
  case noErasures(path: String)
  case otherLog(file: String)
  case rewritten(path: String)
  case unknownPart(path: String, part: String)
  case stateThere(path: String)

  var code: String {
    switch self {
    case .exists: "backup.exists"
    case .underWay: "backup.under_way"
    case .erasing: "backup.erasing"
    case .notOne: "backup.not_one"
    case .otherFormat: "backup.format"
    case .partDiffers: "backup.part_differs"
    case .cutOff: "backup.cut_off"
    case .notEmpty: "restore.not_empty"
    case .noErasures: "restore.no_erasures"
    case .otherLog: "restore.other_log"
    case .rewritten: "restore.rewritten"
    case .unknownPart: "restore.unknown_part"
    case .stateThere: "restore.state_there"
    }
  }
  var message: String {
    switch self {
    case .exists(let path): "\(path) exists already; a backup is never written over."
    case .underWay: "A backup of this host is under way."
    case .erasing(let tenant):
      "The erasure of the tenant \(tenant) has begun and not ended: a backup would hold what is to be destroyed."
    case .notOne(let path, let reason): "\(path) is not a whole backup: \(reason)."
    case .otherFormat(let path, let found, let understood):
      "\(path) has format \(found); this version of Sluice understands format \(understood)."
    case .partDiffers(let path, let part, let reason): "\(path): the part \(part) is not what was backed up: \(reason)."
    case .cutOff(let path, let part): "\(path) ends in the middle of \(part)."
    case .notEmpty(let folder): "\(folder) is not empty; a backup is restored into a folder of its own."
    case .noErasures(let path):
      "There is no list of erasures at \(path): tenants erased since the backup would come back."
    case .otherLog(let file): "\(file) is no signed checkpoint of a log of any tenant in this backup."
    case .rewritten(let path):
      "The manifest of \(path) was not written by a host with this key: somebody has put other parts into it."
    case .unknownPart(let path, let part): "\(path): the part \(part) has no place in a data folder."
    case .stateThere(let path): "\(path) is there already; what is restored is made of the journal alone."
    }
  }
  var remedy: String {
    switch self {
    case .exists: "Name another file, or a folder, with `--to`."
    case .underWay: "Wait for its end."
    case .erasing(let tenant):
      "Ask again once it has ended; one that has stopped half-way goes on with `sluice tenant erase \(tenant) --confirm \(tenant)`."
    case .notOne, .partDiffers, .cutOff: "Take another backup; keep this one for whoever looks into what happened."
    case .otherFormat: "Use the version of Sluice that made it, or a newer one."
    case .notEmpty: "Give a new name with `--data-dir`; nothing was changed."
    case .noErasures:
      "Name the list with `--erasures FILE` (it lies beside the host key), or say `--erasures none` if no tenant was erased."
    case .otherLog: "Give the file `checkpoint` of the lost folder, or one that an auditor has kept."
    case .rewritten: "Restore another backup; keep this one for whoever looks into what happened."
    case .unknownPart: "Restore it with the version of Sluice that made it, or take another backup."
    case .stateThere(let path): "Find out who wrote \(path) while `restore` ran, and restore again into a new folder."
    }
  }
}
