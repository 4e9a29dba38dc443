/// The names directly in the destination that a receiver accepts from a sender.
package enum ExpectedNames: Sendable {
  /// The sender chooses them.
  case any
  /// Any names: the contents of a folder were requested.
  case contents
  /// Each of these names at most once: they were requested.
  case these(Set<[UInt8]>)

  /// The expectation of a request for one source. If `name` is empty, the contents of a folder were
  /// requested.
  package init(_ name: [UInt8]) { self = name.isEmpty ? .contents : .these([name]) }

  /// The number of requested sources.
  var count: Int {
    switch self {
    case .any, .contents: 1
    case .these(let names): names.count
    }
  }

  /// Whether a path with this first component is accepted.
  func contains(_ name: some Collection<UInt8>) -> Bool {
    switch self {
    case .any, .contents: true
    case .these(let names): names.contains(Array(name))
    }
  }
}
