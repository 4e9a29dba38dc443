extension CloseResult {
  /// The JSON of the result of a command that has run, which a server encodes for each command: the
  /// same bytes as by `JSONCoding`, in a fraction of the time.
  ///
  /// - Returns: nil if the result has any other member.
  func quicklyEncoded() -> [UInt8]? {
    var others = self
    (others.code, others.signal, others.bytes, others.wallMS, others.rusage) = (
      nil, nil, nil, nil, nil
    )
    guard others == CloseResult(result), Self.isPlain(result), let bytes, bytes.count == 2,
      let output = bytes["1"], let error = bytes["2"], let wallMS, wallMS.isFinite
    else { return nil }
    var object = ObjectText()
    object.add("bytes")
    object.begin()
    object.add("1", output)
    object.add("2", error)
    object.end()
    if let code { object.add("code", code) }
    object.add("result", word: result.description)
    if let rusage {
      guard rusage.userMS.isFinite, rusage.systemMS.isFinite else { return nil }
      object.add("rusage")
      object.begin()
      object.add("involuntary_switches", rusage.involuntarySwitches)
      object.add("major_faults", rusage.majorFaults)
      if let size = rusage.maxRSSKiB { object.add("max_rss_kib", size) }
      object.add("minor_faults", rusage.minorFaults)
      object.add("system_ms", rusage.systemMS)
      object.add("user_ms", rusage.userMS)
      object.add("voluntary_switches", rusage.voluntarySwitches)
      object.end()
    }
    if let signal { object.add("signal", signal) }
    object.add("wall_ms", wallMS)
    object.end()
    return object.text
  }

  /// Whether the word needs no escapes.
  private static func isPlain(_ result: Kind) -> Bool {
    result == .exited || result == .signaled || result == .timedOut || result == .canceled
  }
}

/// The text of a JSON object whose keys and words need no escapes. The caller adds the keys in the
/// order of their bytes.
private struct ObjectText {
  private(set) var text: [UInt8] = []
  private var isFirst = true

  init() {
    text.reserveCapacity(320)
    begin()
  }

  mutating func begin() {
    text.append(UInt8(ascii: "{"))
    isFirst = true
  }

  mutating func end() {
    text.append(UInt8(ascii: "}"))
    isFirst = false
  }

  /// Adds a key, whose value follows.
  mutating func add(_ key: StaticString) {
    if !isFirst { text.append(UInt8(ascii: ",")) }
    isFirst = false
    text.append(UInt8(ascii: "\""))
    key.withUTF8Buffer { text.append(contentsOf: $0) }
    text.append(UInt8(ascii: "\""))
    text.append(UInt8(ascii: ":"))
  }

  mutating func add(_ key: StaticString, word: String) {
    add(key)
    text.append(UInt8(ascii: "\""))
    text.append(contentsOf: word.utf8)
    text.append(UInt8(ascii: "\""))
  }

  mutating func add(_ key: StaticString, _ number: some FixedWidthInteger) {
    add(key)
    if number < 0 { text.append(UInt8(ascii: "-")) }
    let magnitude = UInt64(number.magnitude)
    var divisor: UInt64 = 1
    while magnitude / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      text.append(UInt8(ascii: "0") + UInt8(magnitude / divisor % 10))
      divisor /= 10
    }
  }

  /// - Parameter number: finite.
  mutating func add(_ key: StaticString, _ number: Double) {
    add(key)
    let digits = number.description.utf8
    text.append(contentsOf: digits)
    if text.suffix(2).elementsEqual(".0".utf8) { text.removeLast(2) }
  }
}
