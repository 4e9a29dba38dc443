import Glibc

/// A file system with a quota: btrfs in an image file, mounted only in the server's own mount
/// namespace. It disappears with the server. It needs root, mkfs.btrfs(8) and a loop device.
struct QuotaFileSystem {
  /// The most bytes of all files together.
  static let limit = 8 << 20

  /// Whether this machine can make and mount one.
  static let isPossible: Bool = {
    let folder = "/tmp/telpher-quota-\(UInt64.random(in: 0 ... .max))"
    mkdir(folder, 0o755)
    defer { rmdir(folder) }
    let quota = QuotaFileSystem(image: folder + ".btrfs", place: folder)
    defer { unlink(quota.image) }
    return geteuid() == 0 && quota.make() && run(quota.wrapper + ["true"])
  }()

  /// The path of the image file.
  let image: String
  /// The folder at which it is mounted.
  let place: String

  /// Makes the image; returns false if that fails.
  func make() -> Bool {
    Self.run([
      "/bin/sh", "-c", "truncate -s 128M \"$1\" && mkfs.btrfs -q \"$1\"", "sh", image,
    ])
  }

  /// Whether a program succeeds.
  private static func run(_ arguments: [String]) -> Bool {
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return LocalShell.run(arguments, environment: [path]) == .exited(0)
  }

  /// A command that mounts the file system and then runs its arguments.
  var wrapper: [String] {
    [
      "/usr/bin/unshare", "--mount", "/bin/sh", "-c",
      """
      exec 3>&1 4>&2 >/dev/null 2>&1
      image=$1 place=$2 limit=$3
      shift 3
      mount -o loop "$image" "$place" && btrfs quota enable "$place" &&
        btrfs qgroup limit "$limit" "$place" && exec "$@" >&3 2>&4 3>&- 4>&-
      """, "sh", image, place, "\(Self.limit)",
    ]
  }
}
