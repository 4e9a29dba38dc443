internal import Glibc
internal import TelpherJournal
internal import TelpherTransport

/// A temporary folder of jobs, removed with its owner.
final class JournalBox: Sendable {
  let path: String

  init() throws {
    var template = Array("/tmp/telpher-journal-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw ErrorNumber(errno) }
    path = String(cString: made)
  }

  deinit { Self.remove(path) }

  /// The path of the folder.
  var jobs: SystemString { SystemString(path) }

  /// The path of the journal of a job, whose folder is created.
  func journal(_ number: UInt8 = 1) -> SystemString {
    let digits = Self.digits(number)
    mkdir("\(path)/\(digits)", 0o700)
    return SystemString("\(path)/\(digits)/journal")
  }

  /// The id of a job.
  static func name(_ number: UInt8) -> [UInt8] { Array(repeating: 0, count: 15) + [number] }

  private static func digits(_ number: UInt8) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 32 - digits.count) + digits
  }

  /// Removes the folder of a job as a user would by hand.
  func removeJob(_ number: UInt8) { Self.remove("\(path)/\(Self.digits(number))") }

  /// The names of the files of a journal.
  static func files(_ journal: SystemString) throws -> [String] {
    let system = LinuxJournalSystem()
    let folder = try system.openFolder(journal)
    defer { close(folder) }
    return try system.names(in: folder).sorted()
  }

  static func read(_ path: String) throws -> [UInt8] {
    let file = open(path, O_RDONLY)
    guard file >= 0 else { throw ErrorNumber(errno) }
    defer { close(file) }
    var status = stat()
    fstat(file, &status)
    return try [UInt8](unsafeUninitializedCapacity: Int(status.st_size)) { memory, count in
      count = Glibc.read(file, memory.baseAddress, memory.count)
      if count != memory.count { throw ErrorNumber(EIO) }
    }
  }

  static func write(_ bytes: some Collection<UInt8>, to path: String) throws {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    guard file >= 0 else { throw ErrorNumber(errno) }
    defer { close(file) }
    let bytes = Array(bytes)
    guard Glibc.write(file, bytes, bytes.count) == bytes.count else { throw ErrorNumber(EIO) }
  }

  private static func remove(_ path: String) {
    if let folder = opendir(path) {
      defer { closedir(folder) }
      while let entry = readdir(folder) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { remove("\(path)/\(name)") }
      }
      rmdir(path)
    } else {
      unlink(path)
    }
  }
}
