internal import Glibc
internal import TelpherSystem
internal import TelpherTransport

/// Finds what a child would execute, and says why nothing can be: swift-subprocess takes all reasons
/// for one.
struct ProgramSearch {
  private let request: SpawnRequest

  init(_ request: SpawnRequest) {
    self.request = request
  }

  /// The first of `candidates` that can be executed in the request's working directory.
  ///
  /// - Throws: `SpawnError` of stage `directory` or `execute`, as execvp(3) would have it.
  func find(_ candidates: [String]) throws(SpawnError) -> String {
    if let directory = request.directory {
      let failure = check(directory, kind: S_IFDIR, otherwise: ENOTDIR)
      guard failure == 0 else { throw SpawnError(.directory, errno: failure, of: request) }
    }
    var wasDenied = false
    var last = ENOENT
    for candidate in candidates {
      last = check(inDirectory(candidate), kind: S_IFREG, otherwise: EACCES)
      switch last {
      case 0: return candidate
      case EACCES: wasDenied = true
      case ENOENT, ENOTDIR, ESTALE, ENODEV, ETIMEDOUT: break
      default: throw SpawnError(.execute, errno: last, of: request)
      }
    }
    throw SpawnError(.execute, errno: wasDenied ? EACCES : last, of: request)
  }

  private func inDirectory(_ path: String) -> String {
    guard let directory = request.directory, !path.isEmpty, !path.hasPrefix("/") else {
      return path
    }
    return "\(directory)/\(path)"
  }

  /// Whether we may execute, or search, the file or folder at `path`: 0, or the error number.
  private func check(_ path: String, kind: mode_t, otherwise: Int32) -> Int32 {
    var status = stat()
    guard stat(path, &status) == 0 else { return errno }
    guard status.st_mode & S_IFMT == kind else { return otherwise }
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno
  }
}
