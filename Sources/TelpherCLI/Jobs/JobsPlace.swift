internal import CTelpherSys
internal import Glibc
internal import TelpherAccess
internal import TelpherTransport

/// The folder of a user's durable jobs, and the files of their host in it: the socket at which it
/// listens, and the lock that it holds as long as it runs.
struct JobsPlace: Sendable {
  /// The absolute path of the folder.
  let folder: String
  /// The client whose jobs these are; nil if it is not known here.
  private var client: Identity?
  var socket: String { folder + "/host.sock" }
  var lock: String { folder + "/host.lock" }
  /// The path of the file that says how long jobs are kept after their end: for the folders of other
  /// identities that of the owner's folder.
  private(set) var retentionFile: String

  /// The folder at `path`, relative to the working directory.
  init(_ path: String) {
    if path.hasPrefix("/") {
      folder = path
    } else {
      let here = getcwd(nil, 0)
      defer { free(here) }
      folder = (here.map { String(cString: $0) } ?? "") + "/" + path
    }
    retentionFile = folder + "/retention"
  }

  /// The default folder: `$XDG_STATE_HOME/telpher/jobs`, else `~/.local/state/telpher/jobs`.
  ///
  /// - Returns: nil if neither XDG_STATE_HOME nor HOME is an absolute path.
  init?(environment: [String: String]) {
    // "All paths must be absolute; relative ones are ignored": the XDG base directory
    // specification.
    if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") {
      folder = state + "/telpher/jobs"
    } else if let home = environment["HOME"], home.hasPrefix("/") {
      folder = home + "/.local/state/telpher/jobs"
    } else {
      return nil
    }
    retentionFile = folder + "/retention"
  }

  /// The folder of a client's jobs: this one for the server's owner, else one beside it.
  func of(_ client: Identity) -> JobsPlace {
    guard client != .owner else { return self }
    var place = of(identity: client.folderName)
    place.client = client
    return place
  }

  /// The folder of the jobs of the identity with this `folderName`.
  func of(identity id: String) -> JobsPlace {
    var place = JobsPlace("\(folder)-of/\(id)")
    place.retentionFile = retentionFile
    return place
  }

  /// The `folderName` of each identity that seems to have a host now. Use it on the owner's folder.
  func identities() -> [String] {
    guard let stream = opendir("\(folder)-of") else { return [] }
    defer { closedir(stream) }
    var ids: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if Identity.isFolderName(name), access(of(identity: name).socket, F_OK) == 0 {
        ids.append(name)
      }
    }
    return ids
  }

  /// The file with the name of the client whose jobs these are.
  private var nameFile: String { folder + "/identity" }
  /// The longest name that is shown, in bytes: that of a key has 50.
  private static let longestName = 256

  /// The name of the client whose jobs these are; nil if an older version made the folder.
  var storedName: String? {
    guard let text = try? SmallFile.text(nameFile), !text.isEmpty else { return nil }
    return String(decoding: text.utf8.prefix(Self.longestName), as: UTF8.self)
  }

  /// Stores the name of the client, so that the server's owner sees whose jobs these are.
  ///
  /// - Throws: `Failure`.
  private func store(_ client: Identity) throws(Failure) {
    guard access(nameFile, F_OK) != 0 else { return }
    // Two servers may do this at once.
    let new = "\(nameFile).\(getpid())"
    let file = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { throw Failure("cannot write \(new): \(describe(errno: errno))") }
    let bytes = Array("\(client)".utf8)
    let isWritten = write(file, bytes, bytes.count) == bytes.count
    close(file)
    guard isWritten, rename(new, nameFile) == 0 else {
      let error = errno
      unlink(new)
      throw Failure("cannot write \(nameFile): \(describe(errno: error))")
    }
  }

  /// Makes the folder if it is missing, and checks it.
  ///
  /// - Throws: `Failure` if it can't be made, if other users could enter it, or if its path is too
  ///   long for a socket.
  func prepare() throws(Failure) {
    guard socket.utf8.count <= Int(telpher_longest_unix_path()) else {
      throw Failure(
        "the path of the folder for jobs is too long for a socket: \(folder); choose another with 'telpher serve --jobs'"
      )
    }
    var path = ""
    for part in folder.split(separator: "/") {
      path += "/\(part)"
      guard mkdir(path, 0o700) != 0 else { continue }
      let error = errno
      // Above the folder there may be some in which this user can make nothing.
      guard error == EEXIST || access(path, F_OK) == 0 else {
        throw Failure("cannot make the folder for jobs \(path): \(describe(errno: error))")
      }
    }
    if let fault = DefaultSocket(folder: folder).faultOfFolder() {
      throw Failure("the folder for jobs can't be used: \(fault)")
    }
    guard access(folder, W_OK | X_OK) == 0 else {
      throw Failure("cannot write to the folder for jobs \(folder): \(describe(errno: errno))")
    }
    if let client { try store(client) }
  }
}
