internal import Glibc
internal import Logging
internal import TelpherFileStore
internal import TelpherServer
internal import TelpherTransfer
internal import TelpherWire

/// The files that a server serves.
enum ServedFiles: Sendable, Equatable {
  /// All files that the server's user can reach; relative paths start in the user's home folder.
  case all
  /// Only the files in the user's home folder: the default of a server that runs no commands.
  case home
  /// Only the files in this folder.
  case folder([UInt8])
  /// No files.
  case none

  /// Reads the value of `--root`.
  init(_ argument: PathArgument) {
    self = argument.path == PathText("none") ? .none : .folder(argument.path.bytes)
  }

  /// Opens the served folder and puts it into `configuration`.
  ///
  /// - Throws: `Failure` if it can't be opened. With `.all`, a home folder that can't be opened is
  ///   only logged; a client that uses a relative path then gets the reason.
  func configure(
    _ configuration: inout ServerConfiguration, environment: [String: String], _ logger: Logger
  ) throws(Failure) {
    do throws(FileError) {
      switch self {
      case .none: configuration.whyNoFiles = "this server serves no files (--root none)"
      case .home:
        configuration.files = FileService(root: try Root(Self.home(environment)))
      case .folder(let path):
        configuration.files = FileService(root: try Root(path))
        logger.debug("serving files", metadata: ["root": "\(PathText(path))"])
      case .all:
        let home = Self.home(environment)
        let scope = try FileScope(home: Array(home.utf8))
        if let fault = scope.faultOfHome {
          logger.warning("the home folder is not served", metadata: ["reason": "\(fault.message)"])
        }
        configuration.files = FileService(scope)
        logger.debug("serving all files", metadata: ["home": "\(home)"])
      }
    } catch {
      throw Failure("cannot serve files: \(error.message)")
    }
  }

  /// $HOME if it is absolute, else the home folder in the password database, else `/`.
  static func home(_ environment: [String: String]) -> String {
    if let home = environment["HOME"], home.hasPrefix("/") { return home }
    guard let entry = getpwuid(geteuid()), let folder = entry.pointee.pw_dir else { return "/" }
    return String(cString: folder)
  }
}
