internal import TelpherTransport

/// Finds the control groups of this process in the file system: cgroups(7).
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
    place(mounts: mounts, groups: groups)?.folder
  }

  /// A mounted hierarchy.
  struct Place: Equatable {
    /// Where it is mounted.
    var mount: String
    /// The folder of this process's own group, at or below `mount`.
    var folder: String
  }

  /// Where this process's own group is.
  ///
  /// - Parameter controller: The name of a controller of version 1. Nil for version 2.
  static func place(of controller: String? = nil, mounts: String, groups: String) -> Place? {
    guard let group = group(controller, in: groups) else { return nil }
    for mount in mounts.split(separator: "\n") {
      // 41 31 0:38 /root /mount/point rw,relatime shared:1 - cgroup2 cgroup2 rw
      // 33 31 0:29 / /sys/fs/cgroup/cpu rw shared:1 - cgroup cgroup rw,cpu,cpuacct
      let fields = mount.split(separator: " ")
      guard let dash = fields.firstIndex(of: "-"), dash > 4, fields.count > dash + 1,
        fields[dash + 1] == (controller == nil ? "cgroup2" : "cgroup")
      else { continue }
      if let controller {
        guard fields.count > dash + 3,
          fields[dash + 3].split(separator: ",").contains(Substring(controller))
        else { continue }
      }
      let root = fields[3] == "/" ? "" : unescape(fields[3])
      // A group outside of what is mounted here, such as the group of a container's host, shows as
      // /.. or as a path that is not below the root.
      let ours = unescape(group)
      guard ours == root || ours.hasPrefix(root + "/"), !ours.hasPrefix("/..") else { continue }
      let below = ours.dropFirst(root.count)
      let point = unescape(fields[4])
      return Place(mount: point, folder: point + (below == "/" ? "" : below))
    }
    return nil
  }

  /// The path of this process's group in /proc/self/cgroup, whose lines are
  /// `number:controllers:path`, and `0::path` for version 2.
  private static func group(_ controller: String?, in groups: String) -> Substring? {
    for line in groups.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3, fields[2].hasPrefix("/") else { continue }
      let isOurs =
        if let controller {
          fields[1].split(separator: ",").contains(Substring(controller))
        } else {
          fields[0] == "0" && fields[1].isEmpty
        }
      if isOurs { return fields[2] }
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
