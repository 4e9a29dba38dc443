package import TelpherTransport

/// The calls to the file system that a journal makes. A journal must survive each one's failure, so
/// tests put an implementation here that fails.
///
/// Names are relative to an open folder. All calls block, throw the error number of the failed call,
/// and repeat a call that a signal interrupted.
package protocol JournalSystem: Sendable {
  /// Creates a folder with mode 0700; false if something has that name.
  func createFolder(_ path: SystemString) throws(ErrorNumber) -> Bool
  /// Removes an empty folder.
  func removeFolder(_ path: SystemString) throws(ErrorNumber)
  /// Opens a folder.
  func openFolder(_ path: SystemString) throws(ErrorNumber) -> Int32
  /// Whether something has this path.
  func exists(_ path: SystemString) throws(ErrorNumber) -> Bool
  /// Opens a regular file. A new file gets mode 0600; a symbolic link is an error.
  func open(_ name: String, in folder: Int32, _ purpose: OpenPurpose) throws(ErrorNumber) -> Int32
  /// Closes a descriptor.
  func close(_ descriptor: Int32)
  /// Reads at an offset until `memory` is full or the file ends; returns the number of bytes.
  func read(_ descriptor: Int32, into memory: UnsafeMutableRawBufferPointer, at offset: UInt64)
    throws(ErrorNumber) -> Int
  /// Writes both buffers at an offset with one call; returns the number of bytes, which may be less.
  func write(
    _ descriptor: Int32, _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer,
    at offset: UInt64
  ) throws(ErrorNumber) -> Int
  /// Sets the size of a file.
  func truncate(_ descriptor: Int32, to size: UInt64) throws(ErrorNumber)
  /// The size of a file and whether it still has a name.
  func status(_ descriptor: Int32) throws(ErrorNumber) -> (size: UInt64, hasName: Bool)
  /// The names in a folder.
  func names(in folder: Int32) throws(ErrorNumber) -> [String]
  /// Removes a file.
  func remove(_ name: String, in folder: Int32) throws(ErrorNumber)
  /// Locks a file for its writer, without waiting; false if it is locked. The lock ends with the
  /// descriptor.
  func lock(_ descriptor: Int32) throws(ErrorNumber) -> Bool
  /// Whether a file is locked for a writer, through whatever descriptor.
  func isLocked(_ descriptor: Int32) throws(ErrorNumber) -> Bool
  /// Waits for an exclusive lock of the file and takes it.
  func takeTurn(_ descriptor: Int32) throws(ErrorNumber)
  /// Releases the lock that `takeTurn` has taken.
  func endTurn(_ descriptor: Int32)
  /// Nanoseconds since 1970.
  func now() -> Int64
}

/// What a file is opened for.
package enum OpenPurpose: Sendable {
  /// To read it.
  case read
  /// To write it; it must not exist yet.
  case create
  /// To read and write it; it is created if it does not exist.
  case share
}
