extension Cedar.ExtensionFunction {
  private typealias Failure = Cedar.EvaluationError

  /// - Parameter values: The arguments; a method's own value comes first.
  func apply(_ values: [Cedar.Value]) throws(Cedar.EvaluationError) -> Cedar.Value {
    guard values.count == argumentCount else {
      // For a person the value before the dot is no argument.
      let own = isConstructor ? 0 : 1
      throw .wrongArgumentCount(function: rawValue, expected: argumentCount - own, found: values.count - own)
    }
    switch self {
    case .decimal, .ip, .datetime, .duration: return try construct(values[0])
    case .lessThan: return .bool(try decimal(values[0]) < decimal(values[1]))
    case .lessThanOrEqual: return .bool(try decimal(values[0]) <= decimal(values[1]))
    case .greaterThan: return .bool(try decimal(values[0]) > decimal(values[1]))
    case .greaterThanOrEqual: return .bool(try decimal(values[0]) >= decimal(values[1]))
    case .isIpv4: return .bool(try address(values[0]).isIPv4)
    case .isIpv6: return .bool(!(try address(values[0]).isIPv4))
    case .isLoopback: return .bool(try address(values[0]).isLoopback)
    case .isMulticast: return .bool(try address(values[0]).isMulticast)
    case .isInRange: return .bool(try address(values[0]).isInRange(of: address(values[1])))
    case .offset:
      return .datetime(try checked(try datetime(values[0]).addingReportingOverflow(duration(values[1]))))
    case .durationSince:
      return .duration(try checked(try datetime(values[0]).subtractingReportingOverflow(datetime(values[1]))))
    case .toDate:
      let time = try datetime(values[0])
      return .datetime(try checked(time.subtractingReportingOverflow(Cedar.Time.withinDay(time))))
    case .toTime: return .duration(Cedar.Time.withinDay(try datetime(values[0])))
    case .toMilliseconds: return .long(try duration(values[0]))
    case .toSeconds: return .long(try duration(values[0]) / 1000)
    case .toMinutes: return .long(try duration(values[0]) / 60_000)
    case .toHours: return .long(try duration(values[0]) / 3_600_000)
    case .toDays: return .long(try duration(values[0]) / Cedar.Time.day)
    }
  }

  private func construct(_ value: Cedar.Value) throws(Cedar.EvaluationError) -> Cedar.Value {
    guard case .string(let text) = value else {
      throw .wrongType(operation: rawValue, expected: "a string", found: value.kind)
    }
    guard let made = Cedar.Value(extensionType: self, text: text.string) else { throw .malformed(type: rawValue) }
    return made
  }

  private func checked(_ result: (Int64, overflow: Bool)) throws(Cedar.EvaluationError) -> Int64 {
    guard !result.overflow else { throw .overflow(operation: rawValue) }
    return result.0
  }

  private func decimal(_ value: Cedar.Value) throws(Cedar.EvaluationError) -> Cedar.Decimal {
    guard case .decimal(let result) = value else {
      throw .wrongType(operation: rawValue, expected: "a decimal", found: value.kind)
    }
    return result
  }
  private func address(_ value: Cedar.Value) throws(Cedar.EvaluationError) -> Cedar.IPAddress {
    guard case .ip(let result) = value else {
      throw .wrongType(operation: rawValue, expected: "an ipaddr", found: value.kind)
    }
    return result
  }
  private func datetime(_ value: Cedar.Value) throws(Cedar.EvaluationError) -> Int64 {
    guard case .datetime(let result) = value else {
      throw .wrongType(operation: rawValue, expected: "a datetime", found: value.kind)
    }
    return result
  }
  private func duration(_ value: Cedar.Value) throws(Cedar.EvaluationError) -> Int64 {
    guard case .duration(let result) = value else {
      throw .wrongType(operation: rawValue, expected: "a duration", found: value.kind)
    }
    return result
  }
}

extension Cedar.Value {
  /// The value of `decimal("…")`, `ip("…")`, `datetime("…")` or `duration("…")`; nil when the text is not one.
  init?(extensionType: Cedar.ExtensionFunction, text: String) {
    let made: Cedar.Value? =
      switch extensionType {
      case .decimal: Cedar.Decimal(text).map(Cedar.Value.decimal)
      case .ip: Cedar.IPAddress(text).map(Cedar.Value.ip)
      case .datetime: Cedar.Time.datetime(text).map(Cedar.Value.datetime)
      case .duration: Cedar.Time.duration(text).map(Cedar.Value.duration)
      default: nil
      }
    guard let made else { return nil }
    self = made
  }
}
