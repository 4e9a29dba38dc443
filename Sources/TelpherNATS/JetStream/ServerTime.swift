/// A point in time by the clock of a server, in nanoseconds since 1970 (UTC).
package struct ServerTime: Sendable, Equatable, Comparable {
  /// The nanoseconds.
  package let nanoseconds: Int64

  /// A time in RFC 3339, with at most nine digits after the second; nil if the text is none, or is
  /// before 1970 or after 2261.
  package init?(_ text: String) {
    var rest = text.utf8[...]
    func number(_ count: Int, then separator: Character?) -> Int64? {
      let digits = rest.prefix(count)
      guard digits.count == count, digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
      rest = rest.dropFirst(count)
      if let separator {
        guard rest.first == separator.asciiValue else { return nil }
        rest = rest.dropFirst()
      }
      return digits.reduce(0) { $0 * 10 + Int64($1 - 48) }
    }
    guard let year = number(4, then: "-"), let month = number(2, then: "-"),
      let day = number(2, then: "T"), let hour = number(2, then: ":"),
      let minute = number(2, then: ":"), let second = number(2, then: nil),
      (1970...2261).contains(year), (1...12).contains(month), (1...31).contains(day),
      (0...23).contains(hour), (0...59).contains(minute), (0...60).contains(second)
    else { return nil }
    var fraction: Int64 = 0
    if rest.first == UInt8(ascii: ".") {
      let digits = rest.dropFirst().prefix { (48...57).contains($0) }
      guard (1...9).contains(digits.count) else { return nil }
      rest = rest[digits.endIndex...]
      fraction = digits.reduce(0) { $0 * 10 + Int64($1 - 48) }
      for _ in digits.count..<9 { fraction *= 10 }
    }
    var offset: Int64 = 0
    if rest.elementsEqual("Z".utf8) {
      rest = rest.dropFirst()
    } else {
      guard let sign = rest.first, sign == 43 || sign == 45 else { return nil }
      rest = rest.dropFirst()
      guard let hours = number(2, then: ":"), let minutes = number(2, then: nil), rest.isEmpty
      else { return nil }
      offset = (hours * 60 + minutes) * (sign == 43 ? 60 : -60)
    }
    guard rest.isEmpty else { return nil }
    let seconds = ((Self.days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second - offset
    guard seconds >= 0 else { return nil }
    nanoseconds = seconds * 1_000_000_000 + fraction
  }

  /// The days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so that
  /// a leap day is the last of its year.
  private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let year = month <= 2 ? year - 1 : year
    let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
    return year * 365 + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
  }

  package static func < (a: ServerTime, b: ServerTime) -> Bool { a.nanoseconds < b.nanoseconds }

  /// How long this is after `other`; 0 if it is before it.
  package func since(_ other: ServerTime) -> Duration {
    .nanoseconds(max(nanoseconds - other.nanoseconds, 0))
  }
}
