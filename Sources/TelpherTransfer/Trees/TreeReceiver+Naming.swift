internal import TelpherFileStore

extension TreeReceiver {
  /// The name that the only file of a tree gets instead of the one in its record.
  package struct Naming: Sendable {
    /// The name in the record.
    let sent: [UInt8]
    /// The name to store it as.
    let stored: [UInt8]
  }

  /// The place of an announced entry, whose name may be another one than in its record.
  ///
  /// - Throws: `FileError` (`protocolError`) if only another file was to come.
  func place(named announced: RelativePath) throws(FileError) -> RelativePath {
    guard let naming else { return announced }
    guard try announced == base.path.appending(naming.sent), ledger.nextNumber == 0 else {
      throw FileError(.protocolError, "'\(announced)' came besides the only file of the tree")
    }
    return try base.path.appending(naming.stored)
  }
}
