internal import TelpherText

/// Encodes values as JSON.
package enum JSONEncoding {
  /// Encodes a value as JSON in UTF-8, without white space and with keys sorted by their
  /// bytes, so that equal values have equal bytes. Slashes are not escaped.
  ///
  /// - Throws: `EncodingError` if the value contains a number that is not finite, or what its own
  ///   encoding throws.
  package static func encode(_ value: some Encodable) throws -> [UInt8] {
    let node = JSONNode()
    try value.encode(to: JSONValueEncoder(node: node))
    var bytes: [UInt8] = []
    bytes.reserveCapacity(512)
    JSONWriter.write(node.element, to: &bytes)
    return bytes
  }
}

/// A part of JSON that is being encoded.
enum JSONElement {
  /// A number, `true`, `false` or `null`.
  case literal(String)
  case string(String)
  case node(JSONNode)
}

/// An array, an object or a single value that is being encoded. It is a class because a type may
/// use several containers of one encoder, one after the other.
final class JSONNode {
  enum Content {
    /// Nothing yet; `{}` if nothing follows.
    case empty
    case single(JSONElement)
    case array([JSONElement])
    case object([(key: ExactText, value: JSONElement)])
  }

  private(set) var content = Content.empty

  /// What the node is in its container.
  var element: JSONElement {
    if case .single(let element) = content { element } else { .node(self) }
  }

  func set(_ element: JSONElement) {
    guard case .empty = content else { preconditionFailure("a type encodes itself once") }
    content = .single(element)
  }

  func becomeArray() {
    if case .empty = content { content = .array([]) }
    guard case .array = content else { preconditionFailure("a type encodes itself in one way") }
  }

  func becomeObject() {
    if case .empty = content { content = .object([]) }
    guard case .object = content else { preconditionFailure("a type encodes itself in one way") }
  }

  func append(_ element: JSONElement) {
    guard case .array(var elements) = content else {
      preconditionFailure("only the container of an array appends elements")
    }
    content = .empty
    elements.append(element)
    content = .array(elements)
  }

  func append(_ key: String, _ element: JSONElement) {
    guard case .object(var members) = content else {
      preconditionFailure("only the container of an object appends members")
    }
    content = .empty
    members.append((ExactText(key), element))
    content = .object(members)
  }

  /// The number of elements of an array.
  var count: Int { if case .array(let elements) = content { elements.count } else { 0 } }
}

extension JSONElement {
  init(_ value: Bool) { self = .literal(value ? "true" : "false") }
  init(_ value: some BinaryInteger) { self = .literal(String(value)) }

  init(_ value: some BinaryFloatingPoint & CustomStringConvertible) throws {
    guard value.isFinite else {
      throw EncodingError.invalidValue(
        value, EncodingError.Context(codingPath: [], debugDescription: "JSON has no such number"))
    }
    let text = value.description
    self = .literal(text.hasSuffix(".0") ? String(text.dropLast(2)) : text)
  }

  /// Any other value.
  init(encoding value: some Encodable) throws {
    let node = JSONNode()
    try value.encode(to: JSONValueEncoder(node: node))
    self = node.element
  }
}
