internal import Glibc

/// What of a mode is passed on.
enum FileMode {
  /// Files come without their set-user-ID and set-group-ID bits, as from cp(1), since the copy has
  /// another owner. The umask takes bits from what a sender, who may be hostile, asks for.
  static let keptOfFiles: UInt32 = 0o777 & ~mask
  /// A folder's set-group-ID and sticky bits only rule over what is made in it, and are kept.
  static let keptOfFolders: UInt32 = 0o3777 & ~mask

  /// The bits that this process does not give to what it creates: umask(2), which can only be read by
  /// setting it. What another thread creates at that moment gets no bits for group and others.
  static let mask: UInt32 = {
    let mask = umask(0o077)
    _ = umask(mask)
    return UInt32(mask)
  }()
}
