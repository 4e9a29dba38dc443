internal import TelpherTransport

/// An open file or folder of a journal, closed with its last use.
final class JournalFile: Sendable {
  let descriptor: Int32
  private let system: any JournalSystem

  /// Takes over an open descriptor.
  init(_ descriptor: Int32, _ system: any JournalSystem) {
    self.descriptor = descriptor
    self.system = system
  }

  deinit { system.close(descriptor) }

  /// Writes all of `bytes` at an offset.
  func overwrite(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(ErrorNumber) {
    var done = 0
    while done < bytes.count {
      done += try system.write(
        descriptor, UnsafeRawBufferPointer(rebasing: bytes[done...]), .init(start: nil, count: 0),
        at: offset + UInt64(done))
    }
  }
}

/// Memory of a caller that is used only until the call returns, so that it may cross into a lock.
struct CallersMemory<Pointer>: @unchecked Sendable {
  let bytes: Pointer
}
