internal import TelpherJSON

/// Where a server records what its clients do: a line of JSON for each start and each end of a
/// connection and of an operation. Any thread may use it.
package final class AuditLog: Sendable {
  /// Where the records go.
  package enum Place: Sendable, Equatable {
    /// A file at this path.
    case file(String)
    /// The systemd journal that listens at this socket.
    case journal(socket: String = SystemJournal.socket)
  }

  /// Why a record can't be written. The message names the place.
  package struct Failure: Error, Sendable {
    /// The message.
    package let message: String
  }

  /// Whether operations that can't be recorded are refused.
  package let isRequired: Bool

  private enum Sink {
    case file(AuditFile)
    case journal(SystemJournal)
  }
  private let sink: Sink

  /// The log at `place`.
  ///
  /// - Throws: `Failure` if the file can't be opened for writing, or nothing listens at the journal's
  ///   socket.
  package init(_ place: Place, isRequired: Bool) throws(Failure) {
    self.isRequired = isRequired
    sink =
      switch place {
      case .file(let path): .file(try AuditFile(path))
      case .journal(let socket): .journal(try SystemJournal(socket: socket))
      }
  }

  /// Writes a record.
  ///
  /// - Throws: `Failure` if it is not written as a whole.
  func append(_ record: AuditRecord) throws(Failure) {
    let line: [UInt8]
    do { line = try JSONEncoding.encode(record) } catch {
      preconditionFailure("records hold only strings and numbers: \(error)")
    }
    switch sink {
    case .file(let file): try file.append(line)
    case .journal(let journal): try journal.append(line, of: record)
    }
  }

  /// Opens the file again, after it was renamed. Does nothing for the journal, whose socket is opened
  /// for each record.
  ///
  /// - Throws: `Failure` if it can't be opened. The next record tries it again.
  package func reopen() throws(Failure) {
    guard case .file(let file) = sink else { return }
    try file.reopen()
  }
}
