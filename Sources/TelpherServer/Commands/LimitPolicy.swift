internal import TelpherTransport
internal import TelpherWire

/// Decides which limits a command gets: those that its request asks for, within those of the server.
///
/// A limit of the server holds for every command: it is the limit of a command that asks for none of
/// its kind, and a command that asks for more is refused.
struct LimitPolicy: Sendable {
  /// A request whose limits can't be granted.
  struct Refusal: Error, Equatable {
    var message: String
  }

  /// The server's limits by kind.
  let ownLimits: [ResourceLimit.Kind: ResourceLimit]

  /// The policy of a server with these limits, at most one of each kind.
  init(_ ownLimits: [ResourceLimit]) {
    self.ownLimits = Dictionary(ownLimits.map { ($0.kind, $0) }) { $1 }
  }

  /// The policy with further limits. Of two limits of one kind, the stricter one counts.
  func under(_ ceilings: [ResourceLimit]) -> LimitPolicy {
    if ceilings.isEmpty { return self }
    return LimitPolicy(
      Array(
        ceilings.reduce(into: ownLimits) { all, limit in
          if let own = all[limit.kind], limit.allowsMore(than: own) { return }
          all[limit.kind] = limit
        }.values))
  }

  /// The limits of a command.
  ///
  /// - Parameters:
  ///   - requested: the limits in the request by name; `RunRequest` has checked the names.
  ///   - enforceable: the limits that the server can enforce, asked for only if the answer depends
  ///     on it.
  /// - Throws: `Refusal` for the client if a limit is higher than the server's, or can't be enforced.
  func limits(
    for requested: [String: UInt64], enforceable: () -> Set<ResourceLimit.Kind>
  ) throws(Refusal) -> [ResourceLimit] {
    guard !requested.isEmpty || !ownLimits.isEmpty else { return [] }
    var granted = ownLimits
    for (name, value) in requested.sorted(by: { $0.key < $1.key }) {
      guard let kind = ResourceLimit.Kind(rawValue: name) else {
        preconditionFailure("RunRequest.decode refuses unknown limits")
      }
      let limit = ResourceLimit(kind, value)
      if let own = ownLimits[kind], limit.allowsMore(than: own) {
        let rule = kind == .nice ? "less than this server requires" : "more than this server allows"
        throw Refusal(
          message: "\(kind.optionName) \(limit.valueText) is \(rule): \(own.valueText)")
      }
      granted[kind] = limit
    }
    if granted.keys.contains(where: \.isOfTree) {
      let enforceable = enforceable()
      if let kind = granted.keys.filter({ !enforceable.contains($0) }).map(\.optionName).min() {
        throw Refusal(message: Self.cannotEnforce(kind, enforceable))
      }
    }
    return granted.values.sorted { $0.kind.rawValue < $1.kind.rawValue }
  }

  /// The message for a limit that the server can't enforce.
  static func cannotEnforce(
    _ name: String, _ enforceable: Set<ResourceLimit.Kind>
  ) -> String {
    let others = enforceable.map(\.optionName).sorted().joined(separator: ", ")
    return
      "this server can't enforce the limit '\(name)': it has no control group with the controller for it; it can enforce \(others)"
  }
}
