internal import Glibc
internal import TelpherClassic
internal import TelpherClient
internal import TelpherTransport

/// What this program could not do, told as one line; not a command's own failure.
struct Failure: Error, Equatable {
  /// What kind it is, as `--json` tells it: `lost`, `refused`, `local`, ...
  var kind: String
  /// For a person, without a line break.
  var message: String
  /// What this process ends with.
  var status = ExitStatus.failure
  /// Whether nothing is said of it.
  var isSilent = false

  /// A failure on this side.
  init(_ message: String, kind: String = "failed") {
    self.kind = kind
    self.message = message
  }

  /// Standard output has no reader any more, as in `telpher ls | head -1`: the end is that of a
  /// program that SIGPIPE ends, in silence.
  static var noReader: Failure {
    var failure = Failure("standard output was closed by its reader", kind: "no_reader")
    failure.status = ExitStatus.signalBase + SIGPIPE
    failure.isSilent = true
    return failure
  }

  /// `error` as a failure.
  init(_ error: any Error) {
    switch error {
    case let error as Failure: self = error
    case let error as ClientError:
      self.init(error.message, kind: error.code.description.replacing(" ", with: "_"))
      if error.code == .deadlinePassed { status = ExitStatus.timedOut }
    case let error as ClassicError:
      self.init(error.message, kind: error.code.description.replacing(" ", with: "_"))
    case let error as FileError:
      self.init(error.message, kind: error.code.description.replacing(" ", with: "_"))
    case let error as TransportError: self.init(error.message)
    default: self.init("\(error)")
    }
  }
}
