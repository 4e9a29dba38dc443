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
  private static let hello = #"{"version":1,"window":\#(window),"connection_window":\#(window)}"#
  static let window: UInt64 = 1 << 61

  /// What each connection begins with.
  enum Opening {
    /// Nothing: the server knows no HELLO.
    case none
    /// A HELLO with windows that never have to be granted anew.
    case hello
    /// A HELLO and a proof by this token, 64 digits.
    case proof(String)

    /// As the load in C takes it.
    var arguments: [String] {
      switch self {
      case .none: []
      case .hello: [FrameLoad.hello]
      case .proof(let token): [#"{"version":1}"#, token]
      }
    }
  }

  /// Runs it once.
  ///
  /// - Returns: round trips per second.
  /// - Throws: `Failure`.
  func run(_ bench: Bench, port: UInt16, _ opening: Opening) throws(Failure) -> Sample {
    try Sample("round_trips_per_second", in: try lines(bench, port: port, opening))
  }

  /// Runs it once.
  ///
  /// - Returns: how many round trips there were.
  /// - Throws: `Failure`.
  func count(_ bench: Bench, port: UInt16, _ opening: Opening) throws(Failure) -> Double {
    try Sample("round_trips", in: try lines(bench, port: port, opening)).value
  }

  private func lines(_ bench: Bench, port: UInt16, _ opening: Opening) throws(Failure) -> [String] {
    var arguments = [bench.program("bench-load-c"), kind.rawValue]
    arguments += ["\(port)", "\(connections)", "\(depth)", "\(seconds)"]
    return try Program.lines(of: arguments + opening.arguments, within: seconds + 60)
  }
}
