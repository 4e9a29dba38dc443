/// Encodes one value into a node. It keeps no coding path: encoding fails only if a number is not
/// finite.
struct JSONValueEncoder: Encoder, SingleValueEncodingContainer {
  let node: JSONNode

  var codingPath: [any CodingKey] { [] }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    node.becomeObject()
    return KeyedEncodingContainer(JSONObjectEncoding(node: node))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    node.becomeArray()
    return JSONArrayEncoding(node: node)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer { self }

  func encodeNil() { node.set(.literal("null")) }
  func encode(_ value: Bool) { node.set(JSONElement(value)) }
  func encode(_ value: String) { node.set(.string(value)) }
  func encode(_ value: Double) throws { node.set(try JSONElement(value)) }
  func encode(_ value: Float) throws { node.set(try JSONElement(value)) }
  func encode(_ value: Int) { node.set(JSONElement(value)) }
  func encode(_ value: Int8) { node.set(JSONElement(value)) }
  func encode(_ value: Int16) { node.set(JSONElement(value)) }
  func encode(_ value: Int32) { node.set(JSONElement(value)) }
  func encode(_ value: Int64) { node.set(JSONElement(value)) }
  func encode(_ value: Int128) { node.set(JSONElement(value)) }
  func encode(_ value: UInt) { node.set(JSONElement(value)) }
  func encode(_ value: UInt8) { node.set(JSONElement(value)) }
  func encode(_ value: UInt16) { node.set(JSONElement(value)) }
  func encode(_ value: UInt32) { node.set(JSONElement(value)) }
  func encode(_ value: UInt64) { node.set(JSONElement(value)) }
  func encode(_ value: UInt128) { node.set(JSONElement(value)) }
  func encode(_ value: some Encodable) throws { node.set(try JSONElement(encoding: value)) }
}

/// Encodes the elements of an array.
struct JSONArrayEncoding: UnkeyedEncodingContainer {
  let node: JSONNode

  var codingPath: [any CodingKey] { [] }
  var count: Int { node.count }

  func encodeNil() { node.append(.literal("null")) }
  func encode(_ value: some Encodable) throws { node.append(try JSONElement(encoding: value)) }

  func nestedContainer<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    JSONValueEncoder(node: nested()).container(keyedBy: type)
  }

  func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
    JSONValueEncoder(node: nested()).unkeyedContainer()
  }

  func superEncoder() -> any Encoder { JSONValueEncoder(node: nested()) }

  private func nested() -> JSONNode {
    let inner = JSONNode()
    node.append(.node(inner))
    return inner
  }
}
