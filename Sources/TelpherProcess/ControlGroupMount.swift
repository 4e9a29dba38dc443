internal import TelpherTransport

/// Finds the control group of this process in the file system: cgroups(7).
enum ControlGroupMount {
  /// The folder of this process's own group in the unified hierarchy (version 2), which may be
  /// mounted beside version 1. Nil if there is none.
  static func ownFolder() -> String? {
    guard let mounts = readSmallText("/proc/self/mountinfo"),
      let groups = readSmallText("/proc/self/cgroup")
    else { return nil }
    return ownFolder(mounts: mounts, groups: groups)
  }

  /// The same, computed from the texts of /proc/self/mountinfo and /proc/self/cgroup (proc(5)).
  static func ownFolder(mounts: String, groups: String) -> String? {
    guard let line = groups.split(separator: "\n").first(where: { $0.hasPrefix("0::/") }) else {
      return nil
    }
    let group = line.dropFirst("0::".count)
    for mount in mounts.split(separator: "\n") {
      // 41 31 0:38 /root /mount/point rw,relatime shared:1 - cgroup2 cgroup2 rw
      let fields = mount.split(separator: " ")
      guard let dash = fields.firstIndex(of: "-"), dash > 4, fields.count > dash + 1,
        fields[dash + 1] == "cgroup2"
      else { continue }
      let root = fields[3] == "/" ? "" : unescape(fields[3])
      // A group outside of what is mounted here, such as the group of a container's host, shows as
      // /.. or as a path that is not below the root.
      let ours = unescape(group)
      guard ours == root || ours.hasPrefix(root + "/"), !ours.hasPrefix("/..") else { continue }
      let below = ours.dropFirst(root.count)
      return unescape(fields[4]) + (below == "/" ? "" : below)
    }
    return nil
  }

  /// Decodes the octal escapes of mountinfo: space, tab, newline and backslash are written as a
  /// backslash and three octal digits.
  private static func unescape(_ field: Substring) -> String {
    guard field.contains("\\") else { return String(field) }
    var bytes: [UInt8] = []
    var rest = Array(field.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\\"), rest.count >= 3,
        let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
      {
        bytes.append(value)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
