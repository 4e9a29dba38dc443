/// Encodes the members of an object.
struct JSONObjectEncoding<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let node: JSONNode

  var codingPath: [any CodingKey] { [] }

  private func append(_ element: JSONElement, _ key: Key) { node.append(key.stringValue, element) }

  func encodeNil(forKey key: Key) { append(.literal("null"), key) }
  func encode(_ value: Bool, forKey key: Key) { append(JSONElement(value), key) }
  func encode(_ value: String, forKey key: Key) { append(.string(value), key) }
  func encode(_ value: Double, forKey key: Key) throws { append(try JSONElement(value), key) }
  func encode(_ value: Float, forKey key: Key) throws { append(try JSONElement(value), key) }
  func encode(_ value: Int, forKey key: Key) { append(JSONElement(value), key) }
  func encode(_ value: Int8, forKey key: Key) { append(JSONElement(value), key) }
  func encode(_ value: Int16, forKey key: Key) { append(JSONElement(value), key) }
  func encode(_ value: Int32, forKey key: Key) { append(JSONElement(value), key) }
  func encode(_ value: Int64, forKey key: Key) { append(JSONElement(value), key) }
  func encode(_ value: Int128, forKey key: Key) { append(JSONElement(value), key) }
  func encode(_ value: UInt, forKey key: Key) { append(JSONElement(value), key) }
  func encode(_ value: UInt8, forKey key: Key) { append(JSONElement(value), key) }
  func encode(_ value: UInt16, forKey key: Key) { append(JSONElement(value), key) }
  func encode(_ value: UInt32, forKey key: Key) { append(JSONElement(value), key) }
  func encode(_ value: UInt64, forKey key: Key) { append(JSONElement(value), key) }
  func encode(_ value: UInt128, forKey key: Key) { append(JSONElement(value), key) }
  func encode(_ value: some Encodable, forKey key: Key) throws {
    append(try JSONElement(encoding: value), key)
  }

  func nestedContainer<NestedKey: CodingKey>(
    keyedBy type: NestedKey.Type, forKey key: Key
  ) -> KeyedEncodingContainer<NestedKey> {
    JSONValueEncoder(node: nested(key)).container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    JSONValueEncoder(node: nested(key)).unkeyedContainer()
  }

  func superEncoder() -> any Encoder {
    preconditionFailure("no type of the messages inherits from another")
  }

  func superEncoder(forKey key: Key) -> any Encoder { JSONValueEncoder(node: nested(key)) }

  private func nested(_ key: Key) -> JSONNode {
    let inner = JSONNode()
    append(.node(inner), key)
    return inner
  }
}
