"""The dimension of a cloud of neurons: effective (trace ratio) and intrinsic, with intervals."""
