internal import TelpherClassic
internal import TelpherClient
internal import TelpherTransport

/// What this program could not do, told as one line; not a command's own failure.
struct Failure: Error, Equatable {
  /// What kind it is, as `--json` tells it: `lost`, `refused`, `local`, ...
  var kind: String
  /// For a person, without a line break.
  var message: String

  /// A failure on this side.
  init(_ message: String, kind: String = "failed") {
    self.kind = kind
    self.message = message
  }

  /// `error` as a failure.
  init(_ error: any Error) {
    switch error {
    case let error as Failure: self = error
    case let error as ClientError:
      self.init(error.message, kind: error.code.description.replacing(" ", with: "_"))
    case let error as ClassicError:
      self.init(error.message, kind: error.code.description.replacing(" ", with: "_"))
    case let error as FileError:
      self.init(error.message, kind: error.code.description.replacing(" ", with: "_"))
    case let error as TransportError: self.init(error.message)
    default: self.init("\(error)")
    }
  }
}
