internal import Glibc
package import TelpherTransport

extension ErrorNumber {
  /// Nothing has that name.
  static var noEntry: Int32 { ENOENT }
  /// Something has that name already.
  static var exists: Int32 { EEXIST }
}

/// The file system of this machine.
package struct LinuxJournalSystem: JournalSystem {
  package init() {}

  package func createFolder(_ path: SystemString) throws(ErrorNumber) -> Bool {
    if path.withCString({ mkdir($0, 0o700) }) == 0 { return true }
    if errno == EEXIST { return false }
    throw ErrorNumber(errno)
  }

  package func removeFolder(_ path: SystemString) throws(ErrorNumber) {
    try check(path.withCString { rmdir($0) })
  }

  package func openFolder(_ path: SystemString) throws(ErrorNumber) -> Int32 {
    try repeating { path.withCString { Glibc.open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) } }
  }

  package func exists(_ path: SystemString) throws(ErrorNumber) -> Bool {
    if path.withCString({ access($0, F_OK) }) == 0 { return true }
    if errno == ENOENT { return false }
    throw ErrorNumber(errno)
  }

  package func open(_ name: String, in folder: Int32, _ purpose: OpenPurpose) throws(ErrorNumber)
    -> Int32
  {
    let access =
      switch purpose {
      case .read: O_RDONLY
      case .create: O_RDWR | O_CREAT | O_EXCL
      case .share: O_RDWR | O_CREAT
      }
    return try repeating { openat(folder, name, access | O_CLOEXEC | O_NOFOLLOW, 0o600) }
  }

  package func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

  package func read(
    _ descriptor: Int32, into memory: UnsafeMutableRawBufferPointer, at offset: UInt64
  ) throws(ErrorNumber) -> Int {
    var count = 0
    while count < memory.count {
      let got = try repeating {
        pread(
          descriptor, memory.baseAddress.map { $0 + count }, memory.count - count,
          off_t(clamping: offset) + off_t(count))
      }
      if got == 0 { break }
      count += got
    }
    return count
  }

  package func write(
    _ descriptor: Int32, _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer,
    at offset: UInt64
  ) throws(ErrorNumber) -> Int {
    // pwritev(2) does not write to this memory.
    let parts = (
      iovec(iov_base: .init(mutating: first.baseAddress), iov_len: first.count),
      iovec(iov_base: .init(mutating: second.baseAddress), iov_len: second.count)
    )
    return try withUnsafeBytes(of: parts) { (memory) throws(ErrorNumber) in
      let vector = memory.bindMemory(to: iovec.self)
      return try repeating {
        pwritev(descriptor, vector.baseAddress, second.isEmpty ? 1 : 2, off_t(clamping: offset))
      }
    }
  }

  package func truncate(_ descriptor: Int32, to size: UInt64) throws(ErrorNumber) {
    _ = try repeating { ftruncate(descriptor, off_t(clamping: size)) }
  }

  package func status(_ descriptor: Int32) throws(ErrorNumber) -> (size: UInt64, hasName: Bool) {
    var status = stat()
    try check(fstat(descriptor, &status))
    return (UInt64(clamping: status.st_size), status.st_nlink > 0)
  }

  package func names(in folder: Int32) throws(ErrorNumber) -> [String] {
    // The stream needs a position of its own: other threads list the same folder.
    let own = try repeating { openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard let stream = fdopendir(own) else {
      let error = ErrorNumber(errno)
      close(own)
      throw error
    }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        if errno != 0 { throw ErrorNumber(errno) }
        return names
      }
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
  }

  package func remove(_ name: String, in folder: Int32) throws(ErrorNumber) {
    try check(unlinkat(folder, name, 0))
  }

  // Locks of the open file, fcntl(2): unlike those of a process they also work between two
  // descriptors of one process, and unlike those of flock(2) they can be looked at without being
  // taken. Glibc's module does not declare F_OFD_GETLK (36), F_OFD_SETLK (37) and F_OFD_SETLKW (38).

  package func lock(_ descriptor: Int32) throws(ErrorNumber) -> Bool {
    var request = flock(wholeFile: F_WRLCK)
    if fcntl(descriptor, 37, &request) == 0 { return true }
    if errno == EAGAIN || errno == EACCES { return false }
    throw ErrorNumber(errno)
  }

  package func isLocked(_ descriptor: Int32) throws(ErrorNumber) -> Bool {
    var request = flock(wholeFile: F_WRLCK)
    try check(fcntl(descriptor, 36, &request))
    return Int32(request.l_type) != F_UNLCK
  }

  package func takeTurn(_ descriptor: Int32) throws(ErrorNumber) {
    var request = flock(wholeFile: F_WRLCK)
    _ = try repeating { fcntl(descriptor, 38, &request) }
  }

  package func endTurn(_ descriptor: Int32) {
    var request = flock(wholeFile: F_UNLCK)
    _ = fcntl(descriptor, 37, &request)
  }

  package func now() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  private func check(_ result: Int32) throws(ErrorNumber) {
    if result != 0 { throw ErrorNumber(errno) }
  }

  /// The result of a call that returns -1 for an error; EINTR repeats it.
  private func repeating<Result: FixedWidthInteger>(_ call: () -> Result) throws(ErrorNumber)
    -> Result
  {
    while true {
      let result = call()
      if result != -1 { return result }
      if errno != EINTR { throw ErrorNumber(errno) }
    }
  }
}

extension flock {
  fileprivate init(wholeFile type: Int32) {
    self.init()
    l_type = Int16(type)
    l_whence = Int16(SEEK_SET)
  }
}
