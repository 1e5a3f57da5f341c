import ConnectorFabric
import Domain
import Foundation
import Policy

/// What an operator has said of a whole tenant.
package struct TenantTerms: Equatable, Sendable {
  var suspension: Suspension?
  /// nil: as much of the disk as there is.
  var quotaBytes: Int64?
  /// How many enabled connectors it may have; nil: as many as there are.
  var instancesMax: Int64?

  package init() {}

  /// What counts where nobody has said anything for a tenant.
  init(_ settings: HostSettings) {
    quotaBytes = settings.disk.tenantQuotaBytes.map { Int64($0) }
    instancesMax = settings.tenantInstancesMax.map { Int64($0) }
  }

  init(_ view: any StateView, standard: TenantTerms) throws {
    suspension = try Suspension.of(view)
    let (disk, instances) = (try DiskQuota.of(view), try InstanceQuota.of(view))
    quotaBytes = disk == nil ? standard.quotaBytes : disk?.bytes
    instancesMax = instances == nil ? standard.instancesMax : instances?.count
  }
}

/// Why a tenant is neither fed nor changed.
struct TenantSuspended: IntakePause, Equatable {
  let tenant: TenantID
  let suspension: Suspension

  var code: String { "tenant.suspended" }
  var message: String {
    let since = Date(timeIntervalSince1970: Double(suspension.sinceMs / 1_000)).formatted(.iso8601)
    let by = suspension.by?.rawValue ?? "The host"
    return "\(by) suspended the tenant \(tenant) at \(since): \(suspension.reason)"
  }
  var remedy: String {
    "Everything can still be read, backed up and proved. Whoever runs the host resumes it: `sluice tenant resume \(tenant)`."
  }
}

/// Why a tenant's intake pauses though the disk has room.
struct DiskQuotaReached: IntakePause, Equatable {
  let tenant: TenantID
  let usedBytes: Int64
  let quotaBytes: Int64

  var code: String { "tenant.disk_quota" }
  var message: String {
    "The tenant \(tenant) takes \(usedBytes) bytes of the disk, and its quota is \(quotaBytes); its intake pauses."
  }
  var remedy: String {
    "Raise it: `sluice tenant quota \(tenant) --disk SIZE`. Intake resumes by itself; all else goes on meanwhile."
  }
}

/// Why one more connector of a tenant is not enabled.
struct InstanceQuotaReached: OperatorError, Equatable {
  let tenant: TenantID
  let wanted: Int
  let quota: Int64

  var code: String { "tenant.instance_quota" }
  var message: String {
    "The tenant \(tenant) would have \(wanted) enabled connectors, and its quota is \(quota). Nothing was changed."
  }
  var remedy: String {
    "Disable one that is not needed, or raise the quota: `sluice tenant quota \(tenant) --instances NUMBER`."
  }
}

/// Why a tenant is not suspended, resumed or erased now.
enum TenantRefusal: OperatorError, Equatable {
  case busy(TenantID)
  case notSuspended(TenantID)
  case notConfirmed(TenantID, given: String)
  case backupUnderWay(TenantID)
  case badSize(String)
  case tooLarge(String)
  case badCount(String)
  case noQuota
  case badReason

  var code: String {
    switch self {
    case .busy: "tenant.busy"
    case .notSuspended: "tenant.not_suspended"
    case .notConfirmed: "tenant.not_confirmed"
    case .backupUnderWay: "tenant.backup_under_way"
    case .badSize: "tenant.bad_quota"
    case .tooLarge: "tenant.quota_too_large"
    case .badCount: "tenant.bad_instance_quota"
    case .noQuota: "tenant.no_quota"
    case .badReason: "tenant.bad_reason"
    }
  }
  var message: String {
    switch self {
    case .busy(let tenant): "The tenant \(tenant) is being suspended, resumed, erased or trimmed right now."
    case .notSuspended(let tenant): "The tenant \(tenant) is not suspended."
    case .notConfirmed(let tenant, let given):
      "To erase \(tenant) its name must be given twice; \"\(given.prefix(80))\" is another one. Nothing was done."
    case .backupUnderWay(let tenant):
      "A backup is being made, which would hold the tenant \(tenant). Nothing was done."
    case .badSize(let text): "\"\(text.prefix(40))\" is no size of a disk quota."
    case .tooLarge(let text): "\"\(text.prefix(40))\" is more than a disk quota can be, which is 1048576 TiB."
    case .badCount(let text): "\"\(text.prefix(40))\" is no number of connectors."
    case .noQuota: "Neither a quota of the disk nor one of connectors was given."
    case .badReason: "Why it is suspended must be said, in \(Suspension.reasonLengthMax) characters at most."
    }
  }
  var remedy: String {
    switch self {
    case .busy: "Look at it with `sluice tenant show`, and ask again."
    case .notSuspended: "See `sluice tenant list`."
    case .notConfirmed(let tenant, _):
      "Look at the plan with `sluice tenant erase \(tenant)`, then add `--confirm \(tenant)`."
    case .backupUnderWay: "Wait until it is made, and ask again."
    case .badSize:
      "Give a number of bytes, or one with KiB, MiB, GiB or TiB: 10GiB; `none`, or `default` for the host's."
    case .tooLarge: "Give a smaller one, or `none` for as much as there is."
    case .badCount: "Give a number up to \(InstanceQuota.countMax); `none`, or `default` for the host's."
    case .noQuota: "Give `--disk SIZE`, `--instances NUMBER`, or both."
    case .badReason: "Give `--reason TEXT`; whoever asks for something meanwhile is told."
    }
  }
}
