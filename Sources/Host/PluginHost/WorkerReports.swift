/// A limit of one operation or worker, as its plugin's manifest sets it.
package enum WorkerLimit: Sendable, Equatable {
  case memory(bytes: Int)
  case processor(seconds: Int)
  case threads(count: Int)
  case files(count: Int)

  package var name: String {
    switch self {
    case .memory: "memory"
    case .processor: "processor"
    case .threads: "threads"
    case .files: "files"
    }
  }
  /// Under `limits` in the manifest.
  package var key: String {
    switch self {
    case .memory: "memory_bytes"
    case .processor: "cpu_seconds"
    case .threads: "threads"
    case .files: "files"
    }
  }
  package var value: String {
    switch self {
    case .memory(let bytes): "\(bytes) bytes"
    case .processor(let seconds): "\(seconds) s of processor time for an operation"
    case .threads(let count): "\(count) threads"
    case .files(let count): "\(count) open files"
    }
  }
}

/// What a worker said of its plugin on the error pipe. Words of a process that runs foreign code: for reports only.
package enum WorkerReport: Sendable, Equatable {
  /// A system call that the sandbox refused, by number and, when known, name.
  case refusedCall(number: Int, name: String)
  case reached(WorkerLimit)
}

/// The bytes of a worker's error pipe: reports by line, and the plugin's own last line. Bounded, whatever comes.
package struct ErrorPipe {
  private static let lineBytesMax = 512
  /// So much is read by line in a worker's life. The loop's thread is everybody's: of a flood only the end is looked at.
  private static let bytesMax = 65_536
  private var bytesLeft = bytesMax
  private static let prefix = "sluice-worker: "
  private let spec: WorkerSpec
  private var line: [UInt8] = []
  private var isTooLong = false
  /// The last whole or broken line that is no report.
  package private(set) var lastWords = ""
  /// It died of a signal with little left of its address space.
  package private(set) var saidMaybeOutOfMemory = false
  package private(set) var saidOutOfThreads = false

  package init(_ spec: WorkerSpec) { self.spec = spec }

  package mutating func take(_ bytes: [UInt8]) -> [WorkerReport] {
    var reports: [WorkerReport] = []
    if bytesLeft == 0 {
      line.removeAll(keepingCapacity: true)
      isTooLong = false
    }
    let read = bytesLeft > 0 ? bytes[...] : bytes.suffix(Self.lineBytesMax)
    bytesLeft = max(0, bytesLeft - bytes.count)
    for byte in read {
      if byte == UInt8(ascii: "\n") {
        if let report = end() { reports.append(report) }
      } else if line.count < Self.lineBytesMax {
        line.append(byte)
      } else {
        isTooLong = true
      }
    }
    return reports
  }

  /// Nothing more comes.
  package mutating func close() { _ = end() }

  private mutating func end() -> WorkerReport? {
    defer {
      line.removeAll(keepingCapacity: true)
      isTooLong = false
    }
    let text = String(decoding: line, as: UTF8.self)
    if !isTooLong, text.hasPrefix(Self.prefix), let report = report(text.dropFirst(Self.prefix.count)) { return report }
    if !text.isEmpty, !(text == Self.prefix + "maybe limit memory") { lastWords = text }
    return nil
  }

  private mutating func report(_ text: Substring) -> WorkerReport? {
    let words = text.split(separator: " ")
    if text == "limit threads" {
      saidOutOfThreads = true
      return .reached(.threads(count: spec.threads))
    }
    if text == "limit files" { return .reached(.files(count: spec.files)) }
    if text == "limit memory" { return .reached(.memory(bytes: spec.memoryBytes)) }
    if text == "maybe limit memory" {
      saidMaybeOutOfMemory = true
      return nil
    }
    guard words.count >= 3, words.count <= 4, words[0] == "refused", words[1] == "call", let number = Int(words[2]),
      (0..<1024).contains(number)
    else { return nil }
    let name = words.count == 4 ? words[3] : ""
    guard name.utf8.allSatisfy({ $0 == 0x5F || (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) }) else {
      return nil
    }
    return .refusedCall(number: number, name: String(name.prefix(32)))
  }
}
