import Domain
import Foundation
import GRDB

// Rows of a segment as entries.
extension Segment {
  /// Opens what a row holds.
  struct Opener {
    let partition: Partition
    let sealer: any Sealer
    let entryBytesMax: Int
  }

  private static let columns = "SELECT position, id, kind, cause, recorded_at_ms, body, salt, codec FROM entry"

  /// Entries after `position`, in order, until there are so many, or so many bytes; the last one may go beyond these.
  func entries(
    _ opener: Opener, after position: UInt64, countMax: Int = .max, bytesMax: Int
  ) throws -> [Entry] {
    try StorageError.naming(path, .journal) {
      try pool.read { db in
        let rows = try Row.fetchCursor(
          db.cachedStatement(sql: Self.columns + " WHERE partition=? AND position>? ORDER BY position LIMIT ?"),
          arguments: [opener.partition.name, Int64(position), countMax])
        var (entries, bytes): ([Entry], Int) = ([], 0)
        while bytes < bytesMax, let row = try rows.next() {
          entries.append(try opener.entry(row))
          bytes += entries.last!.storedBytes
        }
        return entries
      }
    }
  }
}

extension Segment.Opener {
  func entry(_ row: Row) throws -> Entry {
    let position = Position(UInt64(row[0] as Int64))
    let kindName = String.fromDatabaseValue(row[2])
    func damaged(_ reason: String) -> JournalError {
      .damaged(partition: partition.name, position: position.number, kind: kindName, reason: reason)
    }
    // A column may hold anything once somebody has written to the file: nothing is taken for its type unseen.
    func column<Value: DatabaseValueConvertible>(_ index: Int, _ name: String) throws -> Value {
      guard let value = Value.fromDatabaseValue(row[index]) else { throw damaged("its \(name) is of another type") }
      return value
    }
    guard let id = Digest([UInt8](try column(1, "id") as Data)) else { throw damaged("its id is not 32 bytes") }
    guard let kind = kindName.flatMap(EntryKind.init) else { throw damaged("its kind is unknown") }
    let (salt, number) = ([UInt8](try column(6, "salt") as Data), try column(7, "codec") as Int64)
    let recordedAtMs: Int64 = try column(4, "time")
    let cause: Int64? = row.hasNull(atIndex: 3) ? nil : try column(3, "cause")
    let sealed: Data = try column(5, "body")
    guard let codec = Codec(rawValue: number) else {
      throw damaged("its codec \(number) is not known to this version")
    }
    func content(_ body: [UInt8]) -> NewEntry {
      NewEntry(
        id: id, kind: kind, cause: cause.map { Position(UInt64(bitPattern: $0)) }, recordedAtMs: recordedAtMs,
        body: body)
    }
    let bound = Segment.context(content([]), at: position, salt: salt, codec: number)
    let written: [UInt8]
    do { written = try sealer.open([UInt8](sealed), for: partition, context: bound) } catch {
      throw damaged("it does not open with the tenant's key: its body, or what stands beside it, was changed")
    }
    let body: [UInt8]
    do { body = try codec.read(written, bytesMax: entryBytesMax) } catch {
      throw damaged("it cannot be expanded: \(error.reason)")
    }
    return Entry(partition: partition, position: position, salt: salt, content: content(body))
  }
}
