/// Decodes the elements of an array.
struct JSONArrayDecoding: UnkeyedDecodingContainer {
  let array: [JSONValue]
  let path: JSONPath
  private(set) var currentIndex = 0

  init(array: [JSONValue], path: JSONPath) {
    self.array = array
    self.path = path
  }

  var codingPath: [any CodingKey] { path.keys }
  var count: Int? { array.count }
  var isAtEnd: Bool { currentIndex == array.count }

  /// The element that is decoded next.
  private func element(_ type: Any.Type) throws -> JSONValueDecoder {
    let path = JSONPath.key(JSONIndex(currentIndex), of: path)
    guard !isAtEnd else {
      throw DecodingError.valueNotFound(
        type,
        DecodingError.Context(
          codingPath: path.keys, debugDescription: "the array has no more elements"))
    }
    return JSONValueDecoder(value: array[currentIndex], path: path)
  }

  mutating func decodeNil() throws -> Bool {
    guard try element(Never.self).decodeNil() else { return false }
    currentIndex += 1
    return true
  }

  mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    let value = try Value(from: element(type))
    currentIndex += 1
    return value
  }

  mutating func nestedContainer<Key: CodingKey>(
    keyedBy type: Key.Type
  ) throws -> KeyedDecodingContainer<Key> {
    let container = try element(type).container(keyedBy: type)
    currentIndex += 1
    return container
  }

  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
    let container = try element([Any].self).unkeyedContainer()
    currentIndex += 1
    return container
  }

  mutating func superDecoder() throws -> any Decoder {
    let decoder = try element((any Decoder).self)
    currentIndex += 1
    return decoder
  }
}
