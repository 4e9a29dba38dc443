internal import Glibc

/// An rsync daemon on loopback that this run starts; it serves one writable folder.
final class RsyncDaemon: Sendable {
  private let program: Program
  let port: UInt16

  /// The reason why the daemon is not available; nil if it is.
  static var absence: String? { Tool.find("rsync") == nil ? "rsync is not installed" : nil }

  /// Starts a daemon that serves `folder`.
  ///
  /// - Throws: `Failure` if it does not start.
  init(_ bench: Bench, serving folder: String) throws(Failure) {
    port = try Tool.freePort()
    let name = "rsync-\(bench.names.next())"
    let configuration = try bench.folder.write(
      """
      use chroot = no
      uid = \(geteuid())
      gid = \(getegid())
      lock file = \(bench.folder("\(name)-lock"))
      log file = \(bench.folder("\(name)-log"))
      [bench]
      path = \(folder)
      read only = no

      """, to: "\(name).conf")
    program = try Program([
      "rsync", "--daemon", "--no-detach", "--address=127.0.0.1", "--port=\(port)",
      "--config=\(configuration)",
    ])
    try Tool.waitForListener(at: port, of: "rsync")
  }

  /// Ends the daemon.
  func stop() { program.stop() }

  /// Returns the command that copies whole files, without comparing them block by block.
  func copy(_ source: String, _ destination: String) -> [String] {
    ["rsync", "-a", "-W", source, destination]
  }

  /// Returns the address of a path in the folder.
  ///
  /// - Parameter port: a port that leads to the daemon; nil for its own.
  func address(_ path: String, through port: UInt16? = nil) -> String {
    "rsync://127.0.0.1:\(port ?? self.port)/bench/\(path)"
  }
}
