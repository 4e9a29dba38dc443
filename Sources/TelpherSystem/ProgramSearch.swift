internal import Glibc
package import TelpherTransport

/// Finds what a child would execute, and says why nothing can be: libraries that start processes take
/// all reasons for one.
package struct ProgramSearch {
  private let request: SpawnRequest

  /// A search for the program of `request`.
  package init(_ request: SpawnRequest) {
    self.request = request
  }

  /// The first of the files that the program may be which can be executed in the request's working
  /// directory.
  ///
  /// - Throws: `SpawnError` of stage `directory` or `execute`, as execvp(3) would have it.
  package func find() throws(SpawnError) -> SystemString {
    guard let program = request.arguments.first else {
      throw SpawnError(stage: .execute, errno: EINVAL, message: "no program was named")
    }
    return try find(LaunchStrings.candidates(for: program, path: request.environment["PATH"]))
  }

  /// The first of `candidates` that can be executed in the request's working directory.
  ///
  /// - Throws: `SpawnError` of stage `directory` or `execute`, as execvp(3) would have it.
  package func find(_ candidates: [SystemString]) throws(SpawnError) -> SystemString {
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

  private func inDirectory(_ path: SystemString) -> SystemString {
    let slash = UInt8(ascii: "/")
    guard let directory = request.directory, !path.bytes.isEmpty, path.bytes.first != slash else {
      return path
    }
    return SystemString(directory.bytes + [slash] + path.bytes)
  }

  /// Whether we may execute, or search, the file or folder at `path`: 0, or the error number.
  private func check(_ path: SystemString, kind: mode_t, otherwise: Int32) -> Int32 {
    path.withCString { path in
      var status = stat()
      guard stat(path, &status) == 0 else { return errno }
      guard status.st_mode & S_IFMT == kind else { return otherwise }
      return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno
    }
  }
}
