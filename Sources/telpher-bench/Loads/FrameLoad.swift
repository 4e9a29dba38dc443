/// The load in C, which sends frames and counts the answers.
struct FrameLoad: Sendable {
  /// What is sent.
  enum Kind: String {
    /// DATA of 64 bytes, which an echo server sends back.
    case data
    /// PING, which every server of the protocol answers.
    case ping
  }

  var kind: Kind
  var connections: Int
  /// Frames under way on each.
  var depth: Int
  var seconds: Double

  /// Windows that never have to be granted anew, so that nothing but the frames is measured.
  static let hello = #"{"version":1,"window":\#(window),"connection_window":\#(window)}"#
  static let window: UInt64 = 1 << 61

  /// Runs it once.
  ///
  /// - Parameter hello: what to say first; nil where the server knows no HELLO.
  /// - Returns: round trips per second.
  /// - Throws: `Failure`.
  func run(_ bench: Bench, port: UInt16, hello: String?) throws(Failure) -> Sample {
    try Sample("round_trips_per_second", in: try lines(bench, port: port, hello: hello))
  }

  /// Runs it once.
  ///
  /// - Returns: how many round trips there were.
  /// - Throws: `Failure`.
  func count(_ bench: Bench, port: UInt16, hello: String?) throws(Failure) -> Double {
    try Sample("round_trips", in: try lines(bench, port: port, hello: hello)).value
  }

  private func lines(_ bench: Bench, port: UInt16, hello: String?) throws(Failure) -> [String] {
    var arguments = [bench.program("bench-load-c"), kind.rawValue]
    arguments += ["\(port)", "\(connections)", "\(depth)", "\(seconds)"]
    return try Program.lines(of: arguments + (hello.map { [$0] } ?? []), within: seconds + 60)
  }
}
