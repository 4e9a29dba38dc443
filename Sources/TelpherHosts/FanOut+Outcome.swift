extension FanOut {
  /// The exit statuses that the program chooses itself.
  package struct Statuses: Sendable {
    /// For a host without a result, and for a fan-out that is not complete.
    package var failure: Int32

    /// Statuses.
    package init(failure: Int32) { self.failure = failure }
  }

  /// The status of one host; nil if its work was not begun or was ended from this side.
  package static func status(of state: HostState, _ statuses: Statuses) -> Int32? {
    switch state {
    case .done(let result): result.status
    case .unreachable, .lost: statuses.failure
    case .waiting, .connecting, .running, .canceled, .notStarted: nil
    }
  }

  /// The exit status of all hosts together.
  ///
  /// With `largest` it is the largest of any host; a host that is unreachable or lost counts as
  /// `failure`. Hosts that were canceled or not started don't count, because what stopped them does.
  /// Otherwise it is 0 if the work ran to its own end on every host, whatever its status there, and
  /// `failure` if not.
  package func exitStatus(largest: Bool, _ statuses: Statuses) -> Int32 {
    if largest {
      let highest = states.compactMap { Self.status(of: $0, statuses) }.max() ?? 0
      if highest != 0 { return highest }
    }
    let isComplete = states.allSatisfy {
      if case .done(let result) = $0 { result.isComplete } else { false }
    }
    return isComplete ? 0 : statuses.failure
  }

  /// One line for each kind of failure, with its hosts: `web[03,09]: exited with 1`. The order is
  /// that of the first host of each.
  ///
  /// - Parameter names: the names of the hosts by index.
  package func failures(_ names: [NodeName]) -> [String] {
    var hosts: [String: [NodeName]] = [:]
    var order: [String] = []
    for (name, state) in zip(names, states) {
      guard let text = Self.text(state, name) else { continue }
      if hosts[text] == nil { order.append(text) }
      hosts[text, default: []].append(name)
    }
    return order.map { text in "\(Self.folded(hosts[text] ?? [])): \(text)" }
  }

  /// The hosts in a settled state that `included` accepts, folded; nil if there are none.
  package func folded(_ names: [NodeName], _ included: (HostState) -> Bool) -> String? {
    let chosen = zip(names, states).filter { included($0.1) }.map(\.0)
    return chosen.isEmpty ? nil : Self.folded(chosen)
  }

  /// The names as a folded set.
  package static func folded(_ names: [NodeName]) -> String {
    do throws(HostsError) { return try HostSet(names).folded } catch {
      preconditionFailure("the hosts come from a set, so they are not too many")
    }
  }

  /// What to say about a host that has not succeeded; nil if it has. The host's own name is replaced
  /// in it, so that the same failure of several hosts is one.
  private static func text(_ state: HostState, _ name: NodeName) -> String? {
    switch state {
    case .done(let result): result.status == 0 ? nil : generalized(result.text, name)
    case .unreachable(let reason): "unreachable: \(generalized(reason, name))"
    case .lost(let reason): "lost: \(generalized(reason, name))"
    case .canceled: "canceled"
    case .notStarted: "not started"
    case .waiting, .connecting, .running: nil
    }
  }

  /// `text` with `%h` in place of the host's name. A name that has a number is replaced wherever it
  /// is not a part of a longer number, also within an address; another one only as a word.
  static func generalized(_ text: String, _ name: NodeName) -> String {
    let (text, name) = (Array(text.utf8), Array(name.text.utf8))
    guard let first = name.first, let last = name.last, text.count >= name.count else {
      return String(decoding: text, as: UTF8.self)
    }
    let hasNumber = name.contains(where: NodeName.isDigit)
    var result: [UInt8] = []
    var index = 0
    while index < text.count {
      let end = index + name.count
      if end <= text.count, text[index..<end].elementsEqual(name),
        index == 0 || !continues(text[index - 1], first, hasNumber),
        end == text.count || !continues(text[end], last, hasNumber && NodeName.isDigit(last))
      {
        result += Array("%h".utf8)
        index = end
      } else {
        result.append(text[index])
        index += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// Whether a byte beside a name belongs to the same word or number as the name's byte `edge`.
  private static func continues(_ byte: UInt8, _ edge: UInt8, _ onlyNumbers: Bool) -> Bool {
    onlyNumbers ? NodeName.isDigit(byte) && NodeName.isDigit(edge) : isWord(byte)
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    NodeName.isDigit(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
      || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-") || byte >= 0x80
  }
}
