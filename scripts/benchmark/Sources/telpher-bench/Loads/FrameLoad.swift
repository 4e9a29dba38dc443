/// Runs `bench-load-c`, which sends frames and counts the answers.
struct FrameLoad: Sendable {
  /// The kind of frames to send.
  enum Kind: String {
    /// DATA of 64 bytes, for an echo server.
    case data
    /// PING, for any Telpher server.
    case ping
  }

  var kind: Kind
  var connections: Int
  /// The number of unanswered frames on each connection.
  var depth: Int
  var seconds: Double

  /// A HELLO with windows so large that no WINDOW is ever needed: only the frames are measured.
  private static let hello = #"{"version":1,"window":\#(window),"connection_window":\#(window)}"#
  static let window: UInt64 = 1 << 61

  /// What each connection sends first.
  enum Opening {
    /// Nothing: the server does not expect a HELLO.
    case none
    /// A HELLO with windows so large that no WINDOW is ever needed.
    case hello
    /// A HELLO, and a proof made with this token of 64 hexadecimal digits.
    case proof(String)

    /// The arguments for `bench-load-c`.
    var arguments: [String] {
      switch self {
      case .none: []
      case .hello: [FrameLoad.hello]
      case .proof(let token): [#"{"version":1}"#, token]
      }
    }
  }

  /// Runs the load once.
  ///
  /// - Returns: round trips per second.
  /// - Throws: `Failure` if the load fails.
  func run(_ bench: Bench, port: UInt16, _ opening: Opening) throws(Failure) -> Sample {
    try Sample("round_trips_per_second", in: try lines(bench, port: port, opening))
  }

  /// Runs the load once.
  ///
  /// - Returns: the number of round trips.
  /// - Throws: `Failure` if the load fails.
  func count(_ bench: Bench, port: UInt16, _ opening: Opening) throws(Failure) -> Double {
    try Sample("round_trips", in: try lines(bench, port: port, opening)).value
  }

  private func lines(_ bench: Bench, port: UInt16, _ opening: Opening) throws(Failure) -> [String] {
    var arguments = [bench.program("bench-load-c"), kind.rawValue]
    arguments += ["\(port)", "\(connections)", "\(depth)", "\(seconds)"]
    return try Program.lines(of: arguments + opening.arguments, within: seconds + 60)
  }
}
