/// A set of hosts, in the order of `NodeName`.
///
///     let set = try HostSet(parsing: "web[01-40],!web07")
///     set.folded  // web[01-06,08-40]
package struct HostSet: Equatable, Sendable {
  /// The most hosts of a set: far more than one process can connect to. The names of so many take
  /// some 10 MB.
  package static let maxCount = 100_000
  /// The longest name of a host in bytes: longer than a host's name (253) and a socket's path (108).
  package static let maxNameLength = 1_024

  /// The hosts, sorted and each once.
  package let names: [NodeName]

  /// No hosts.
  package init() { names = [] }

  /// A set of these hosts.
  ///
  /// - Throws: `HostsError` if they are too many.
  package init(_ names: some Sequence<NodeName>) throws(HostsError) {
    self.init(sorted: Set(names).sorted())
    guard self.names.count <= Self.maxCount else { throw Self.tooMany }
  }

  private init(sorted names: [NodeName]) { self.names = names }

  static let tooMany = HostsError("a set may have at most \(maxCount) hosts")

  /// How many hosts there are.
  package var count: Int { names.count }
  /// Whether there are none.
  package var isEmpty: Bool { names.isEmpty }

  /// Whether a host is in the set.
  package func contains(_ name: NodeName) -> Bool {
    var (low, high) = (0, names.count)
    while low < high {
      let middle = (low + high) / 2
      if names[middle] < name { low = middle + 1 } else { high = middle }
    }
    return low < names.count && names[low] == name
  }

  /// The hosts of both sets.
  ///
  /// - Throws: `HostsError` if they are too many.
  package func union(_ other: HostSet) throws(HostsError) -> HostSet {
    let all = merge(other) { _, _ in true }
    guard all.count <= Self.maxCount else { throw Self.tooMany }
    return all
  }

  /// The hosts that are not in `other`.
  package func subtracting(_ other: HostSet) -> HostSet { merge(other) { $0 && !$1 } }

  /// The hosts that are in both sets.
  package func intersection(_ other: HostSet) -> HostSet { merge(other) { $0 && $1 } }

  /// The hosts that are in exactly one of the sets.
  ///
  /// - Throws: `HostsError` if they are too many.
  package func symmetricDifference(_ other: HostSet) throws(HostsError) -> HostSet {
    let all = merge(other) { $0 != $1 }
    guard all.count <= Self.maxCount else { throw Self.tooMany }
    return all
  }

  /// The hosts for which `keeps` returns true. Its parameters say whether this set and the other
  /// one have the host.
  private func merge(_ other: HostSet, keeps: (_ here: Bool, _ there: Bool) -> Bool) -> HostSet {
    var kept: [NodeName] = []
    var (i, j) = (0, 0)
    while i < names.count || j < other.names.count {
      let here = j == other.names.count || (i < names.count && names[i] <= other.names[j])
      let there = i == names.count || (j < other.names.count && other.names[j] <= names[i])
      let name = here ? names[i] : other.names[j]
      if keeps(here, there) { kept.append(name) }
      if here { i += 1 }
      if there { j += 1 }
    }
    return HostSet(sorted: kept)
  }
}
