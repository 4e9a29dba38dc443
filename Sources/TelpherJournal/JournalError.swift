internal import TelpherTransport

/// A failed operation on a journal.
package struct JournalError: Error, Sendable, CustomStringConvertible {
  /// The kind of failure.
  package enum Code: Sendable, Equatable {
    /// The journals of the folder have reached their limit.
    case noRoom
    /// There is no journal, or its writer has not yet created it completely.
    case notFound
    /// The folder already contains a journal.
    case exists
    /// A file is not what a journal has written, or has changed since.
    case damaged
    /// A system call failed with this error number (errno(3)).
    case system(Int32)
  }

  /// The kind of failure.
  package let code: Code
  /// What failed and why, for the user.
  package let message: String

  /// The message.
  package var description: String { message }

  init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// A failed system call; `action` completes "cannot".
  init(_ error: ErrorNumber, _ action: String) {
    code = error.value == ErrorNumber.noEntry ? .notFound : .system(error.value)
    message = "cannot \(action): \(describe(errno: error.value))"
  }
}
