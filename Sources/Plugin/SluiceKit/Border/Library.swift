import CSluicePlugin

/// What a library offers, and its one entry.
///
/// ```swift
/// @c(sluice_plugin_entry)
/// public func entry() -> UnsafeRawPointer { Library.entry(sources: [Tides.self]) }
/// ```
public enum Library {
  // The C factories have no context, so what they make is found here. Written once, by the first call of `entry`,
  // which the worker makes before any other and from its only thread.
  nonisolated(unsafe) static private(set) var sources: [any Source.Type] = []
  nonisolated(unsafe) static private(set) var executors: [any Executor.Type] = []
  nonisolated(unsafe) private static var tables: Tables?

  /// What `sluice_plugin_entry` returns: a constant, however often it is asked.
  public static func entry(
    sources: [any Source.Type] = [], executors: [any Executor.Type] = []
  ) -> UnsafeRawPointer {
    if let tables { return UnsafeRawPointer(tables.plugin) }
    Self.sources = sources
    Self.executors = executors
    let made = Tables(sources: sources.map { $0.descriptor }, executors: executors.map { $0.descriptor })
    tables = made
    return UnsafeRawPointer(made.plugin)
  }

  /// The constants of the library. They live as long as it does, which is as long as the process.
  private struct Tables {
    let plugin: UnsafePointer<sluice_plugin_t>
    let sourceFactory: UnsafePointer<sluice_source_factory_t>?
    let executorFactory: UnsafePointer<sluice_executor_factory_t>?
    let sourceDescriptors: [UnsafePointer<sluice_descriptor_t>]
    let executorDescriptors: [UnsafePointer<sluice_descriptor_t>]

    init(sources: [Descriptor], executors: [Descriptor]) {
      sourceDescriptors = sources.map { constant(sluice_descriptor_t($0)) }
      executorDescriptors = executors.map { constant(sluice_descriptor_t($0)) }
      sourceFactory =
        sources.isEmpty
        ? nil
        : constant(
          sluice_source_factory_t(
            struct_size: structSize(sluice_source_factory_t.self), count: UInt32(sources.count),
            descriptor: { Library.tables!.sourceDescriptors.at($0) }, create: createSource))
      executorFactory =
        executors.isEmpty
        ? nil
        : constant(
          sluice_executor_factory_t(
            struct_size: structSize(sluice_executor_factory_t.self), count: UInt32(executors.count),
            descriptor: { Library.tables!.executorDescriptors.at($0) }, create: createExecutor))
      plugin = constant(
        sluice_plugin_t(
          struct_size: structSize(sluice_plugin_t.self), magic: UInt32(SLUICE_MAGIC),
          abi_major: UInt16(SLUICE_ABI_MAJOR), abi_minor: UInt16(SLUICE_ABI_MINOR), reserved: 0,
          get_factory: { Library.factory($0) }))
    }
  }

  private static func factory(_ id: UnsafePointer<CChar>?) -> UnsafeRawPointer? {
    guard let id else { return nil }
    switch String(cString: id) {
    case "sluice.source/1": return tables?.sourceFactory.map { UnsafeRawPointer($0) }
    case "sluice.executor/1": return tables?.executorFactory.map { UnsafeRawPointer($0) }
    default: return nil
    }
  }
}

extension [UnsafePointer<sluice_descriptor_t>] {
  /// The descriptor, or nil beyond the last.
  fileprivate func at(_ index: UInt32) -> Element? { index < count ? self[Int(index)] : nil }
}

/// A value that is never freed.
func constant<T>(_ value: T) -> UnsafePointer<T> {
  let place = UnsafeMutablePointer<T>.allocate(capacity: 1)
  place.initialize(to: value)
  return UnsafePointer(place)
}

private func constant(_ text: String) -> sluice_slice_t {
  let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: text.utf8.count)
  _ = bytes.initialize(from: text.utf8)
  return sluice_slice_t(ptr: UnsafeRawPointer(bytes.baseAddress), len: UInt64(bytes.count))
}

extension sluice_descriptor_t {
  fileprivate init(_ descriptor: Descriptor) {
    self.init(
      struct_size: structSize(sluice_descriptor_t.self), reserved: 0, id: constant(descriptor.id),
      name: constant(descriptor.name), version: constant(descriptor.version))
  }
}
