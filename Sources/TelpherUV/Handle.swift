internal import CLibUV

/// An object that libuv handles belong to. Each open handle's `data` holds one reference to it, so
/// that it lives until the last of its handles has closed.
protocol HandleOwner: AnyObject {
  /// Closes its handles without calling anybody back. Harmless when closed.
  func close()
}

/// The life of a handle's memory. It is allocated, never a stored property's address: libuv links
/// the handle into its lists until the close callback, and only allocated memory stays put.
enum Handle {
  /// Memory for a handle, set up by `initialize`; the error where libuv refuses.
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

  /// Makes `owner` the one that the handle's callbacks go to, and keeps it alive until the handle
  /// has closed.
  static func give<Kind>(_ handle: UnsafeMutablePointer<Kind>, to owner: some HandleOwner) {
    base(handle).pointee.data = Unmanaged.passRetained(owner).toOpaque()
  }

  /// The owner of a handle, in a callback.
  static func owner<Kind, Owner: HandleOwner>(
    of handle: UnsafeMutablePointer<Kind>?, as type: Owner.Type
  ) -> Owner {
    Unmanaged<Owner>.fromOpaque(base(handle!).pointee.data!).takeUnretainedValue()
  }

  /// Closes the handle; its memory and its reference to the owner go in the close callback.
  static func close<Kind>(_ handle: UnsafeMutablePointer<Kind>) {
    uv_close(base(handle), didClose)
  }

  /// Closes every handle of `loop` that is not closing yet, by its owner where it has one.
  static func closeAll(of loop: UnsafeMutablePointer<uv_loop_t>) {
    uv_walk(loop, closeWalked, nil)
  }

  /// The handle as what all kinds of handle begin with.
  static func base<Kind>(
    _ handle: UnsafeMutablePointer<Kind>
  ) -> UnsafeMutablePointer<uv_handle_t> {
    UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
  }

  /// A TCP, pipe or terminal handle as the stream it is.
  static func stream<Kind>(
    _ handle: UnsafeMutablePointer<Kind>
  ) -> UnsafeMutablePointer<uv_stream_t> {
    UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_stream_t.self)
  }

  /// The handle's descriptor, or -1.
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
  // Those without an owner are the loop's own, which frees their memory itself.
  guard let data = handle!.pointee.data else { return uv_close(handle, nil) }
  let owner = Unmanaged<AnyObject>.fromOpaque(data).takeUnretainedValue()
  guard let owner = owner as? any HandleOwner else {
    preconditionFailure("`give` sets only owners")
  }
  owner.close()
}
