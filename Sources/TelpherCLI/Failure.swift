internal import Glibc
internal import TelpherClassic
internal import TelpherClient
internal import TelpherTransport

/// A failure of this program or the connection, not of a command.
struct Failure: Error, Equatable {
  /// The kind, which `--json` prints as `result`: `unreachable`, `output_limit`, ...
  var kind: String
  /// The message for the user, without a line break.
  var message: String
  /// The exit status of this process.
  var status = ExitStatus.failure
  /// Whether no message is printed.
  var isSilent = false

  /// A failure of this program.
  init(_ message: String, kind: String = "failed") {
    self.kind = kind
    self.message = message
  }

  /// The reader of standard output has closed it, as in `telpher ls | head -1`. The program ends
  /// without a message and with the status of a program that SIGPIPE ended.
  static var noReader: Failure {
    var failure = Failure("standard output was closed by its reader", kind: "no_reader")
    failure.status = ExitStatus.signalBase + SIGPIPE
    failure.isSilent = true
    return failure
  }

  /// Converts `error` to a failure.
  init(_ error: any Error) {
    switch error {
    case let error as Failure: self = error
    case let error as ClientError:
      self.init(error.message, kind: error.code.description.replacing(" ", with: "_"))
      if error.code == .deadlinePassed { status = ExitStatus.timedOut }
    case let error as ClassicError:
      self.init(error.message, kind: error.code.description.replacing(" ", with: "_"))
    case let error as FileError where error.code == .protocolError:
      self.init(
        "the other side broke the protocol: \(error.message); is the same version of telpher on both sides?",
        kind: "protocol_error")
    case let error as FileError:
      self.init(error.message, kind: error.code.description.replacing(" ", with: "_"))
    case let error as TransportError: self.init(error.message)
    default: self.init("\(error)")
    }
  }
}
