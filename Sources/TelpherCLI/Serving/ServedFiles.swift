internal import Glibc
internal import Logging
internal import TelpherFiles
internal import TelpherServer
internal import TelpherWire

/// Which files a server serves.
enum ServedFiles: Sendable, Equatable {
  /// All that its user may reach; relative paths start in the user's home.
  case all
  /// Those below the user's home: what clients of a server get that may run no commands.
  case home
  /// Those below this folder.
  case folder([UInt8])
  /// None.
  case none

  /// Reads the value of `--root`.
  init(_ argument: PathArgument) {
    self = argument.path == PathText("none") ? .none : .folder(argument.path.bytes)
  }

  /// Opens what is served.
  ///
  /// - Throws: `Failure` where it can't be opened. A home that only relative paths start in is left out
  ///   then, and clients that use one are told why.
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
          logger.warning("the home is not served", metadata: ["reason": "\(fault.message)"])
        }
        configuration.files = FileService(scope)
        logger.debug("serving all files", metadata: ["home": "\(home)"])
      }
    } catch {
      throw Failure("cannot serve files: \(error.message)")
    }
  }

  /// Where HOME leads, else what the system's table of users says.
  private static func home(_ environment: [String: String]) -> String {
    if let home = environment["HOME"], home.hasPrefix("/") { return home }
    guard let entry = getpwuid(geteuid()), let folder = entry.pointee.pw_dir else { return "/" }
    return String(cString: folder)
  }
}
