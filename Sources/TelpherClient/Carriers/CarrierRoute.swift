/// How one carrier reaches its place: its command, and the words for messages about it.
protocol CarrierRoute: Sendable, CustomStringConvertible {
  /// The program, for messages: `ssh`.
  var program: String { get }
  /// The program and its arguments. They are passed to the program as they are, not through a shell.
  ///
  /// - Parameters:
  ///   - command: what to run at the other place, with its standard streams connected to those of
  ///     the program.
  ///   - connectTimeout: how long the program may take to connect, if it has such an option.
  func arguments(running command: [String], connectTimeout: Duration) -> [String]
  /// What the exit status `status` of the program means.
  func meaning(of status: Int32) -> CarrierFailure
  /// The words for messages.
  var words: CarrierWords { get }
}

/// Why a carrier brought no server, according to its exit status.
enum CarrierFailure {
  /// The program itself failed: it could not connect, log in or find the place.
  case program
  /// There is no telpher at the place.
  case notFound
  /// The telpher there can't be executed.
  case notExecutable
  /// The status does not say why.
  case unknown
}

/// What messages say about a carrier. Commands in it are lines for a shell.
struct CarrierWords {
  /// The place: `me@host`, `the container web`.
  let place: String
  /// Where it is: `on me@host`, `in the container web`.
  let location: String
  /// The start of the sentence if the program ended early: `ssh to me@host`.
  let journey: String
  /// What the program could not do: `connect to me@host or log in there`.
  let task: String
  /// A command that must work: `ssh me@host true`.
  let check: String
  /// A command that must print telpher's version.
  let version: String
  /// A command that copies telpher to the place.
  let copy: String
}
