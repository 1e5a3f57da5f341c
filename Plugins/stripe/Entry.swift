import SluiceKit

@c(sluice_plugin_entry)
public func entry() -> UnsafeRawPointer { Library.entry(sources: [StripeSource.self]) }
