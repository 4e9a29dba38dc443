internal import Glibc
internal import Logging
internal import TelpherFiles
internal import TelpherServer

/// Which files a server serves.
enum ServedFiles: Sendable, Equatable {
  /// Those below its user's home.
  case home
  /// Those below this folder.
  case folder(String)
  /// None.
  case none

  /// Reads the value of `--root`.
  init(_ text: String) { self = text == "none" ? .none : .folder(text) }

  /// Opens the root.
  ///
  /// - Throws: `Failure` where a folder that was asked for can't be served. The home, which nobody
  ///   asked for, is then left out, and clients are told why.
  func configure(
    _ configuration: inout ServerConfiguration, environment: [String: String], _ logger: Logger
  ) throws(Failure) {
    switch self {
    case .none: configuration.whyNoFiles = "this server serves no files (--root none)"
    case .folder(let path):
      do throws(FileError) { try serve(path, &configuration, logger) } catch {
        throw Failure("cannot serve files: \(error.message)")
      }
    case .home:
      let path = Self.home(environment)
      do throws(FileError) { try serve(path, &configuration, logger) } catch {
        configuration.whyNoFiles = "this server serves no files: \(error.message)"
        logger.warning("no files are served", metadata: ["reason": "\(error.message)"])
      }
    }
  }

  private func serve(
    _ path: String, _ configuration: inout ServerConfiguration, _ logger: Logger
  ) throws(FileError) {
    configuration.files = FileService(root: try Root(path))
    logger.debug("serving files", metadata: ["root": "\(path)"])
  }

  /// Where HOME leads, else what the system's table of users says.
  private static func home(_ environment: [String: String]) -> String {
    if let home = environment["HOME"], home.hasPrefix("/") { return home }
    guard let entry = getpwuid(geteuid()), let folder = entry.pointee.pw_dir else { return "/" }
    return String(cString: folder)
  }
}
