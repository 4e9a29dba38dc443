extension HostSet {
  /// The set as a text that `init(parsing:)` reads: `web[01-06,08-40],db1`. Names that differ only in
  /// their numbers are written together. If they differ in several numbers, the text may not be the
  /// shortest.
  package var folded: String {
    var shapes: [Shape: [[String]]] = [:]
    var order: [Shape] = []
    for name in names {
      let (shape, indices) = Shape.of(name)
      if shapes[shape] == nil { order.append(shape) }
      shapes[shape, default: []].append(indices)
    }
    return order.map { shape in
      Self.products(shapes[shape] ?? []).map { shape.text(with: $0.map(Self.written)) }
        .joined(separator: ",")
    }.joined(separator: ",")
  }

  /// A name without its numbers.
  private struct Shape: Hashable {
    /// The texts before, between and after the numbers.
    let texts: [[UInt8]]

    /// The shape of a name and its numbers, with their padding.
    static func of(_ name: NodeName) -> (Shape, [String]) {
      let bytes = Array(name.text.utf8)
      // In brackets a number would be part of an address, and can't be written as a range there.
      if bytes.contains(UInt8(ascii: "[")) { return (Shape(texts: [bytes]), []) }
      var texts: [[UInt8]] = [[]]
      var numbers: [[UInt8]] = []
      var wasDigit = false
      for byte in bytes {
        let isDigit = NodeName.isDigit(byte)
        if isDigit {
          if wasDigit {
            numbers[numbers.count - 1].append(byte)
          } else {
            numbers.append([byte])
          }
        } else {
          if wasDigit { texts.append([]) }
          texts[texts.count - 1].append(byte)
        }
        wasDigit = isDigit
      }
      if wasDigit { texts.append([]) }
      return (Shape(texts: texts), numbers.map { String(decoding: $0, as: UTF8.self) })
    }

    func text(with indices: [String]) -> String {
      var text = String(decoding: texts[0], as: UTF8.self)
      for (index, rest) in zip(indices, texts.dropFirst()) {
        text += index + String(decoding: rest, as: UTF8.self)
      }
      return text
    }
  }

  /// Joins vectors of numbers that differ in one place only, from the last place to the first, until
  /// nothing can be joined. Each element of the result is a product of sorted lists.
  private static func products(_ vectors: [[String]]) -> [[[String]]] {
    var products = vectors.map { $0.map { [$0] } }
    var before = Int.max
    while products.count < before {
      before = products.count
      for place in (products.first ?? []).indices.reversed() {
        products = joined(products, at: place)
      }
    }
    return products
  }

  private static func joined(_ products: [[[String]]], at place: Int) -> [[[String]]] {
    var positions: [[[String]]: Int] = [:]
    var joined: [[[String]]] = []
    for product in products {
      var key = product
      key[place] = []
      if let position = positions[key] {
        joined[position][place] += product[place]
      } else {
        positions[key] = joined.count
        joined.append(product)
      }
    }
    for index in joined.indices { joined[index][place].sort(by: precedes) }
    return joined
  }

  private static func precedes(_ a: String, _ b: String) -> Bool {
    let (m, n) = (a.utf8.count, b.utf8.count)
    return m == n ? a < b : m < n
  }

  /// One number as it is, several in brackets with ranges where they follow each other.
  private static func written(_ indices: [String]) -> String {
    guard indices.count > 1 else { return indices[0] }
    var parts: [String] = []
    var (first, last) = (indices[0], indices[0])
    for index in indices.dropFirst() {
      if !follows(index, last) {
        parts.append(first == last ? first : "\(first)-\(last)")
        first = index
      }
      last = index
    }
    parts.append(first == last ? first : "\(first)-\(last)")
    return "[\(parts.joined(separator: ","))]"
  }

  /// Whether `next` is the index after `index` in a range that both belong to.
  private static func follows(_ next: String, _ index: String) -> Bool {
    guard next.utf8.count <= HostRange.maxDigits, let number = Int(index) else { return false }
    let isPadded = index.utf8.count > 1 && index.hasPrefix("0")
    return HostRange.padded(number + 1, to: isPadded ? index.utf8.count : 0) == next
  }
}
