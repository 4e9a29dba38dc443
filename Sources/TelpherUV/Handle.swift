internal import CLibUV

/// An object that owns libuv handles. The `data` of each open handle holds one reference to its
/// owner, so the owner lives until its last handle has closed.
protocol HandleOwner: AnyObject {
  /// Closes the handles without calling any of the owner's callbacks. Does nothing if they are
  /// closed already.
  func close()
}

/// Allocates, owns and frees the memory of libuv handles. The memory is always allocated and never
/// the address of a stored property: libuv links a handle into its lists until the close callback,
/// so the address must not change.
enum Handle {
  /// Allocates a handle and sets it up with `initialize`. Returns libuv's error if that fails.
  static func make<Kind>(
    _ initialize: (UnsafeMutablePointer<Kind>) -> Int32
  ) -> Result<UnsafeMutablePointer<Kind>, UVStatus> {
    let handle = UnsafeMutablePointer<Kind>.allocate(capacity: 1)
    let status = initialize(handle)
    if status == 0 {
      base(handle).pointee.data = nil
      return .success(handle)
    }
    handle.deallocate()
    return .failure(UVStatus(status))
  }

  /// Makes `owner` the owner of the handle. The handle's callbacks go to the owner, and the owner
  /// lives until the handle has closed.
  static func give<Kind>(_ handle: UnsafeMutablePointer<Kind>, to owner: some HandleOwner) {
    base(handle).pointee.data = Unmanaged.passRetained(owner).toOpaque()
  }

  /// The owner of a handle. For use in libuv's callbacks.
  static func owner<Kind, Owner: HandleOwner>(
    of handle: UnsafeMutablePointer<Kind>?, as type: Owner.Type
  ) -> Owner {
    Unmanaged<Owner>.fromOpaque(base(handle!).pointee.data!).takeUnretainedValue()
  }

  /// Closes the handle. The close callback frees its memory and releases its owner.
  static func close<Kind>(_ handle: UnsafeMutablePointer<Kind>) {
    uv_close(base(handle), didClose)
  }

  /// Closes every handle of `loop` that is not closing yet. A handle that has an owner is closed by
  /// that owner.
  static func closeAll(of loop: UnsafeMutablePointer<uv_loop_t>) {
    uv_walk(loop, closeWalked, nil)
  }

  /// The handle as a `uv_handle_t`, the type that every libuv handle begins with.
  static func base<Kind>(
    _ handle: UnsafeMutablePointer<Kind>
  ) -> UnsafeMutablePointer<uv_handle_t> {
    UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
  }

  /// The TCP, pipe or terminal handle as a `uv_stream_t`.
  static func stream<Kind>(
    _ handle: UnsafeMutablePointer<Kind>
  ) -> UnsafeMutablePointer<uv_stream_t> {
    UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_stream_t.self)
  }

  /// The handle's file descriptor, or -1 if it has none.
  static func descriptor<Kind>(of handle: UnsafeMutablePointer<Kind>) -> Int32 {
    var descriptor: Int32 = -1
    return uv_fileno(base(handle), &descriptor) == 0 ? descriptor : -1
  }
}

private func didClose(_ handle: UnsafeMutablePointer<uv_handle_t>?) {
  let owner = handle!.pointee.data
  handle!.deallocate()
  if let owner { Unmanaged<AnyObject>.fromOpaque(owner).release() }
}

private func closeWalked(
  _ handle: UnsafeMutablePointer<uv_handle_t>?, _: UnsafeMutableRawPointer?
) {
  guard uv_is_closing(handle) == 0 else { return }
  // A handle without an owner belongs to the loop, which frees its memory itself.
  guard let data = handle!.pointee.data else { return uv_close(handle, nil) }
  let owner = Unmanaged<AnyObject>.fromOpaque(data).takeUnretainedValue()
  guard let owner = owner as? any HandleOwner else {
    preconditionFailure("`give` sets only owners")
  }
  owner.close()
}
