/// The names of hosts as Ansible's inventories write them: `www[01:50].example.com`, `db-[a:f]`,
/// `node[1:9:2]`.
enum AnsiblePattern {
  /// The names that a pattern writes.
  ///
  /// - Throws: `HostsError`.
  static func names(_ pattern: String) throws(HostsError) -> [NodeName] {
    var names = [""]
    var rest = pattern[...]
    while !rest.isEmpty {
      let text = rest.prefix { $0 != "[" }
      for index in names.indices { names[index] += text }
      rest = rest[text.endIndex...]
      guard !rest.isEmpty else { break }
      guard let end = rest.firstIndex(of: "]") else {
        throw HostsError("'\(pattern)': a ']' is missing")
      }
      let range = rest[rest.index(after: rest.startIndex)..<end]
      rest = rest[rest.index(after: end)...]
      let indices = try indices(range, in: pattern)
      let (count, overflows) = names.count.multipliedReportingOverflow(by: indices.count)
      guard !overflows, count <= HostSet.maxCount else { throw HostSet.tooMany }
      names = names.flatMap { name in indices.map { name + $0 } }
    }
    guard names.allSatisfy({ !$0.isEmpty && $0.utf8.count <= HostSet.maxNameLength }) else {
      throw HostsError("'\(pattern.prefix(40))' is not a name")
    }
    guard !pattern.contains(where: { ",!&^ \t".contains($0) }) else {
      throw HostsError("'\(pattern)' can't be a host: it has a space, ',', '!', '&' or '^'")
    }
    return names.map(NodeName.init)
  }

  /// Separates `name:port`. A name with several colons outside of brackets is an address of IPv6.
  static func separatePort(_ pattern: String) -> (name: String, port: String?) {
    var colons: [String.Index] = []
    var isInside = false
    for index in pattern.indices {
      switch pattern[index] {
      case "[": isInside = true
      case "]": isInside = false
      case ":" where !isInside: colons.append(index)
      default: break
      }
    }
    guard colons.count == 1 else { return (pattern, nil) }
    return (String(pattern[..<colons[0]]), String(pattern[pattern.index(after: colons[0])...]))
  }

  private static func indices(
    _ range: Substring, in pattern: String
  ) throws(HostsError) -> [String] {
    let parts = range.split(separator: ":", omittingEmptySubsequences: false)
    let fault = HostsError(
      "'\(pattern)': '[\(range)]' is not a range of numbers or letters, which is [A:B] or [A:B:STEP]"
    )
    guard (2...3).contains(parts.count) else { throw fault }
    let step = parts.count == 3 ? Int(parts[2]) ?? 0 : 1
    guard step > 0 else { throw fault }
    if parts[0].count == 1, parts[1].count == 1, let first = letter(parts[0]),
      let last = letter(parts[1])
    {
      guard first <= last else { throw fault }
      return stride(from: Int(first), through: Int(last), by: step).map {
        String(UnicodeScalar(UInt8($0)))
      }
    }
    guard let first = number(parts[0].isEmpty ? "0" : parts[0]), let last = number(parts[1]),
      first <= last
    else { throw fault }
    guard (last - first) / step < HostSet.maxCount else { throw HostSet.tooMany }
    // The first bound has the padding.
    let width = parts[0].count > 1 && parts[0].hasPrefix("0") ? parts[0].count : 0
    return stride(from: first, through: last, by: step).map { HostRange.padded($0, to: width) }
  }

  private static func letter(_ text: Substring) -> UInt8? {
    guard let byte = text.utf8.first, (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    else { return nil }
    return byte
  }

  private static func number(_ text: Substring) -> Int? {
    guard text.utf8.count <= HostRange.maxDigits, text.utf8.allSatisfy(NodeName.isDigit) else {
      return nil
    }
    return Int(text)
  }
}
