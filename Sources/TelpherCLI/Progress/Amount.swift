/// Formats numbers for people.
enum Amount {
  private static let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"]

  /// A number of bytes with its unit, in powers of 1000: `999 B`, `1.0 kB`, `12.3 MB`, `123 GB`.
  static func bytes(_ count: Int64) -> String {
    var value = Double(count.magnitude)
    var unit = 0
    // A value that would be rounded to 1000 is shown as 1.0 of the next unit.
    while value >= 999.5, unit < units.count - 1 {
      value /= 1_000
      unit += 1
    }
    guard unit > 0 else { return "\(count) B" }
    let tenths = Int((value * 10).rounded())
    let text = tenths < 1_000 ? "\(tenths / 10).\(tenths % 10)" : "\(Int(value.rounded()))"
    return "\(count < 0 ? "-" : "")\(text) \(units[unit])"
  }

  /// A rate in bytes per second, such as `1.0 kB/s`; `-` if it is not finite.
  static func rate(_ bytesPerSecond: Double) -> String {
    guard bytesPerSecond.isFinite, bytesPerSecond < 9e18 else { return "-" }
    return bytes(Int64(max(0, bytesPerSecond))) + "/s"
  }

  /// A duration in whole seconds, rounded up: `0:07`, `12:34`, `1:02:03`.
  static func clock(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "-" }
    let whole = Int(max(0, seconds).rounded(.up))
    let (hours, minutes, rest) = (whole / 3_600, whole / 60 % 60, whole % 60)
    return hours > 0
      ? "\(hours):\(twoDigits(minutes)):\(twoDigits(rest))" : "\(minutes):\(twoDigits(rest))"
  }

  /// An elapsed time: `0.12 s`, `9.90 s`, `2:03`.
  static func elapsed(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 60 else { return clock(seconds) }
    let hundredths = Int((max(0, seconds) * 100).rounded())
    return "\(hundredths / 100).\(twoDigits(hundredths % 100)) s"
  }

  /// A number with its noun: `1 file`, `2 files`.
  static func count(_ number: Int, _ thing: String) -> String {
    "\(number) \(thing)\(number == 1 ? "" : "s")"
  }

  /// `7` as `07`.
  static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
