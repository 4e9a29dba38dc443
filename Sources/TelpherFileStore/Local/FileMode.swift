internal import Glibc

/// The mode bits that a transfer keeps.
package enum FileMode {
  /// The mode bits that a copied file keeps. As with cp(1), it loses the set-user-ID and
  /// set-group-ID bits, since the copy has another owner. The umask applies, because the sender may
  /// be hostile.
  package static let keptOfFiles: UInt32 = 0o777 & ~mask
  /// The mode bits that a copied folder keeps. Its set-group-ID and sticky bits only affect the
  /// entries that are created in it, so they are kept.
  package static let keptOfFolders: UInt32 = 0o3777 & ~mask

  /// The bits that this process does not give to what it creates: umask(2), which can only be read
  /// by setting it. A file that another thread creates at that moment gets no permissions for group
  /// and others.
  static let mask: UInt32 = {
    let mask = umask(0o077)
    _ = umask(mask)
    return UInt32(mask)
  }()
}
