internal import ArgumentParser
internal import TelpherHosts

/// The value of `--address`: an address with `%h` for the name of the host and `%%` for a `%`.
struct AddressTemplate {
  private let parts: [Part]

  private enum Part {
    case text(String)
    case host
  }

  /// - Throws: `ValidationError` if another character follows a `%`, or no `%h` occurs.
  init(_ template: String) throws {
    var parts: [Part] = []
    var rest = template[...]
    var hasHost = false
    while !rest.isEmpty {
      let text = rest.prefix { $0 != "%" }
      if !text.isEmpty { parts.append(.text(String(text))) }
      rest = rest[text.endIndex...]
      guard !rest.isEmpty else { break }
      rest.removeFirst()
      switch rest.popFirst() {
      case "h":
        parts.append(.host)
        hasHost = true
      case "%": parts.append(.text("%"))
      default:
        throw ValidationError("'\(template)': only %h, the host, and %% may be in an address")
      }
    }
    guard hasHost else {
      throw ValidationError("'\(template)' has no %h, so that all hosts would have one address")
    }
    self.parts = parts
  }

  /// The address of a host.
  func address(of host: NodeName) -> String {
    parts.map {
      switch $0 {
      case .text(let text): text
      case .host: host.text
      }
    }.joined()
  }
}
