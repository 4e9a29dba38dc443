import Glibc
import TelpherTestSupport

/// A file system of 1 MiB that only this process sees, and that vanishes with it.
enum SmallFileSystem {
  /// Whether this process may mount a file system: it needs CAP_SYS_ADMIN.
  static var mayMount: Bool { geteuid() == 0 && hasCapability() }

  /// Mounts the file system at `path`. Call it in a separate process, which gets its own mount
  /// namespace.
  static func mount(at path: String) throws {
    let separate = function("unshare", as: (@convention(c) (Int32) -> Int32).self)
    let mount = function("mount", as: Mount.self)
    try check(separate(0x0002_0000), "unshare")  // CLONE_NEWNS
    // Make all mounts private, so that the new one does not appear in other namespaces.
    try check(mount("none", "/", nil, 0x4_4000, nil), "mount")  // MS_REC | MS_PRIVATE
    try check(mount("tmpfs", path, "tmpfs", 0, "size=1m"), "mount")
  }

  /// Unmounts the file system, also while a file in it is open.
  static func unmount(_ path: String) throws {
    typealias Unmount = @convention(c) (UnsafePointer<CChar>?, Int32) -> Int32
    try check(function("umount2", as: Unmount.self)(path, 2), "umount")  // MNT_DETACH
  }

  private typealias Mount =
    @convention(c) (
      UnsafePointer<CChar>?, UnsafePointer<CChar>?, UnsafePointer<CChar>?, UInt,
      UnsafePointer<CChar>?
    ) -> Int32

  /// A function of the C library that Swift's Glibc module lacks.
  private static func function<Function>(_ name: String, as type: Function.Type) -> Function {
    guard let address = dlsym(nil, name) else { preconditionFailure("glibc has \(name)") }
    return unsafeBitCast(address, to: type)
  }

  /// CAP_SYS_ADMIN, which containers often drop: capabilities(7), proc(5).
  private static func hasCapability() -> Bool {
    guard let status = Sandbox.text("/proc/self/status"),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix("CapEff:") }),
      let bits = UInt64(line.dropFirst("CapEff:".count).drop { $0 == "\t" }, radix: 16)
    else { return false }
    return bits & 1 << 21 != 0
  }
}
