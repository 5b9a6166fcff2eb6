using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Tests.Codegen;

/// <summary>Nests in kernel form as the passes make them of good schedules, written by hand.</summary>
internal static class HandBuilt
{
    public static LoopNest Nest(Algorithm algorithm, Stmt body, params string[] trace) =>
        new(algorithm, body, [], ImmutableDictionary<string, string>.Empty, [.. trace.Select(Step.Parse)]);

    public static For Loop(Var v, long extent, LoopKind kind, params Stmt[] body) => new(v, extent, kind, Seq.Of(body));

    /// <summary>y = 2·x + 1, four elements a thread; what is left over is guarded.</summary>
    public static LoopNest Scale(long n, DType type = DType.Float32, int lanes = 4)
    {
        var g = new AlgorithmBuilder("scale");
        var x = g.Input("x", type, n);
        var i = new Axis("i", n);
        var y = g.Stage("y", [i], x[i] * Op.Const(2, type) + Op.Const(1, type));
        var algorithm = g.Build(y);
        var (b, t, v) = (new Var("y.i.o"), new Var("y.i.t"), new Var("y.i.v"));
        Expr at = b * (128 * lanes) + t * lanes + v;
        Stmt body = new Store(y, [at], Op.Cast(type, x[at] * Op.Const(2, type) + Op.Const(1, type)));
        if (n % (128 * lanes) != 0)
            body = new If(at < n, body);
        return Nest(
            algorithm,
            Loop(
                b,
                (n + 128 * lanes - 1) / (128 * lanes),
                LoopKind.BlockX,
                Loop(t, 128, LoopKind.ThreadX, Loop(v, lanes, LoopKind.Vector, body))
            ),
            $"y.i.o, y.i.t, y.i.v = tile y.i 128 {lanes}"
        );
    }

    /// <summary>
    /// C = A·B: tiles of 64 × 64 × 16 through shared memory (A transposed and padded), 64 threads, 8 × 8 elements a thread.
    /// </summary>
    public static LoopNest Matmul(long m, long n, long k)
    {
        var g = new AlgorithmBuilder("matmul");
        var a = g.Input("A", DType.Float32, m, k);
        var b = g.Input("B", DType.Float32, k, n);
        var (i, j, r) = (new Axis("m", m), new Axis("n", n), new Axis("k", k));
        var c = g.Stage("C", [i, j], AlgorithmBuilder.Sum(r, a[i, r] * b[r, j]));
        var algorithm = g.Build(c);
        var aTile = new Buffer("As", DType.Float32, [16, 64], Scope.Shared, [68, 1]);
        var bTile = new Buffer("Bs", DType.Float32, [16, 64], Scope.Shared);
        var sums = new Buffer("Cr", DType.Float32, [8, 8], Scope.Register);
        var (aPart, bPart) = (
            new Buffer("Ar", DType.Float32, [8], Scope.Register),
            new Buffer("Br", DType.Float32, [8], Scope.Register)
        );
        var (by, bx, t, ko) = (new Var("C.m.o"), new Var("C.n.o"), new Var("tid"), new Var("C.k.o"));
        Var V(string name) => new(name);
        var (z0, z1) = (V("C.m.z"), V("C.n.z"));
        Stmt zero = Loop(z0, 8, LoopKind.Unrolled, Loop(z1, 8, LoopKind.Unrolled, new Store(sums, [z0, z1], 0f)));
        var (ca, va) = (V("As.r"), V("As.v"));
        Expr aAt = (ca * 64 + t) * 4 + va;
        Stmt copyA = Loop(
            ca,
            4,
            LoopKind.Unrolled,
            Loop(
                va,
                4,
                LoopKind.Vector,
                new Store(
                    aTile,
                    [aAt % 16, aAt / 16],
                    Op.Select(
                        Op.And(by * 64 + aAt / 16 < m, ko * 16 + aAt % 16 < k),
                        a[by * 64 + aAt / 16, ko * 16 + aAt % 16],
                        0f
                    )
                )
            )
        );
        var (cb, vb) = (V("Bs.r"), V("Bs.v"));
        Expr bAt = (cb * 64 + t) * 4 + vb;
        Stmt copyB = Loop(
            cb,
            4,
            LoopKind.Unrolled,
            Loop(
                vb,
                4,
                LoopKind.Vector,
                new Store(
                    bTile,
                    [bAt / 64, bAt % 64],
                    Op.Select(
                        Op.And(ko * 16 + bAt / 64 < k, bx * 64 + bAt % 64 < n),
                        b[ko * 16 + bAt / 64, bx * 64 + bAt % 64],
                        0f
                    )
                )
            )
        );
        var (ki, la, lb) = (V("C.k.i"), V("Ar.i"), V("Br.i"));
        var (mi, ni) = (V("C.m.i"), V("C.n.i"));
        Stmt multiply = Loop(
            ki,
            16,
            LoopKind.Unrolled,
            Loop(la, 8, LoopKind.Vector, new Store(aPart, [la], aTile[ki, t / 8 * 8 + la])),
            Loop(lb, 8, LoopKind.Vector, new Store(bPart, [lb], bTile[ki, t % 8 * 8 + lb])),
            Loop(
                mi,
                8,
                LoopKind.Unrolled,
                Loop(ni, 8, LoopKind.Unrolled, new Store(sums, [mi, ni], sums[mi, ni] + aPart[mi] * bPart[ni]))
            )
        );
        var (wm, wn) = (V("C.m.w"), V("C.n.w"));
        Expr row = by * 64 + t / 8 * 8 + wm;
        Expr column = bx * 64 + t % 8 * 8 + wn;
        Stmt write = new Store(c, [row, column], sums[wm, wn]);
        if (m % 64 != 0 || n % 64 != 0)
            write = new If(Op.And(row < m, column < n), write);
        write = Loop(wm, 8, LoopKind.Unrolled, Loop(wn, 8, LoopKind.Vector, write));
        var barrier = new Barrier(BarrierScope.Block);
        Stmt body = Seq.Of(
            zero,
            Loop(ko, (k + 15) / 16, LoopKind.Serial, copyA, copyB, barrier, multiply, barrier),
            write
        );
        body = new Allocate(sums, new Allocate(aPart, new Allocate(bPart, body)));
        body = Loop(t, 64, LoopKind.ThreadX, body);
        body = new Allocate(aTile, new Allocate(bTile, body));
        body = Loop(bx, (n + 63) / 64, LoopKind.BlockX, body) with
        {
            Annotations = ImmutableSortedDictionary<string, string>.Empty.Add("min_blocks", "4"),
        };
        return Nest(algorithm, Loop(by, (m + 63) / 64, LoopKind.BlockY, body), "C.m.o, C.m.i = split C.m 64");
    }

    /// <summary>The largest element of each row and its place: a row a warp, lanes combined by shuffles.</summary>
    public static LoopNest ArgMax(long rows, long columns)
    {
        var g = new AlgorithmBuilder("argmax");
        var x = g.Input("x", DType.Float32, rows, columns);
        var (i, j) = (new Axis("i", rows), new Axis("j", columns));
        var outputs = g.TupleStage("best", [i], AlgorithmBuilder.ArgMax(j, x[i, j]));
        var algorithm = g.Build([.. outputs]);
        var reducer = Reducer.ArgMax(DType.Float32);
        var value = new Buffer("value", DType.Float32, [1], Scope.Register);
        var index = new Buffer("index", DType.Int64, [1], Scope.Register);
        var (b, t, s) = (new Var("best.i.o"), new Var("tid"), new Var("best.j.o"));
        Expr row = b * 4 + t / 32;
        Expr column = s * 32 + t % 32;
        var combined = reducer.Combine([value[0], index[0]], [x[row, column], column]);
        Stmt scan = new StoreAll([new Store(value, [0], combined[0]), new Store(index, [0], combined[1])]);
        if (columns % 32 != 0)
            scan = new If(column < columns, scan);
        if (rows % 4 != 0)
            scan = new If(row < rows, scan);
        Stmt body = Seq.Of(
            new StoreAll([new Store(value, [0], reducer.Identity[0]), new Store(index, [0], reducer.Identity[1])]),
            Loop(s, (columns + 31) / 32, LoopKind.Serial, scan),
            new LaneReduce([value, index], [0], reducer, 32),
            new If(
                Op.And(Op.Eq(t % 32, 0), row < rows),
                Seq.Of(new Store(outputs[0], [row], value[0]), new Store(outputs[1], [row], index[0]))
            )
        );
        body = Loop(t, 128, LoopKind.ThreadX, new Allocate(value, new Allocate(index, body)));
        return Nest(algorithm, Loop(b, (rows + 3) / 4, LoopKind.BlockX, body));
    }

    /// <summary>
    /// y = xᵀ by tiles of 32 × 32: asynchronous copies of 16 bytes into a swizzled tile, zeros where it overhangs, then columns of
    /// the tile are written as rows. Columns of x are a multiple of 4.
    /// </summary>
    public static LoopNest AsyncTranspose(long rows, long columns)
    {
        var g = new AlgorithmBuilder("transpose");
        var x = g.Input("x", DType.Float32, rows, columns);
        var (i, j) = (new Axis("i", columns), new Axis("j", rows));
        var y = g.Stage("y", [i, j], x[j, i]);
        var algorithm = g.Build(y);
        var tile = new Buffer("tile", DType.Float32, [32, 32], Scope.Shared, default, ByteSwizzle.OfRow(128));
        var (by, bx, t) = (new Var("y.j.o"), new Var("y.i.o"), new Var("tid"));
        var (c, w) = (new Var("x.c"), new Var("y.w"));
        Expr row = c * 16 + t / 8;
        Expr column = t % 8 * 4;
        Expr inside = Op.And(by * 32 + row < rows, bx * 32 + column < columns);
        Stmt copy = Loop(
            c,
            2,
            LoopKind.Unrolled,
            DeviceOps.Copy(
                tile,
                [row, column],
                x,
                [by * 32 + row, bx * 32 + column],
                4,
                Op.Select(inside, new IntImm(4, DTypes.Index), new IntImm(0, DTypes.Index))
            )
        );
        Expr from = w * 4 + t / 32;
        Stmt write = Loop(
            w,
            8,
            LoopKind.Serial,
            new If(
                Op.And(bx * 32 + from < columns, by * 32 + t % 32 < rows),
                new Store(y, [bx * 32 + from, by * 32 + t % 32], tile[t % 32, from])
            )
        );
        Stmt body = Loop(
            t,
            128,
            LoopKind.ThreadX,
            copy,
            DeviceOps.CommitCopies.Of(),
            DeviceOps.WaitCopies.Of(0),
            new Barrier(BarrierScope.Block),
            write
        );
        body = Loop(bx, (columns + 31) / 32, LoopKind.BlockX, new Allocate(tile, body));
        return Nest(algorithm, Loop(by, (rows + 31) / 32, LoopKind.BlockY, body));
    }

    /// <summary>y is x with the order of its elements turned around within each warp or warpgroup, through shared memory.</summary>
    public static LoopNest Reverse(BarrierScope scope)
    {
        long group = scope == BarrierScope.Warp ? 32 : 128;
        var g = new AlgorithmBuilder("reverse");
        var x = g.Input("x", DType.Float32, 1024);
        var i = new Axis("i", 1024);
        var y = g.Stage("y", [i], x[i / group * group + (group - 1) - i % group]);
        var tile = new Buffer("tile", DType.Float32, [256], Scope.Shared);
        var (b, t) = (new Var("y.i.o"), new Var("tid"));
        Stmt body = Loop(
            t,
            256,
            LoopKind.ThreadX,
            new Store(tile, [t / group * group + (group - 1) - t % group], x[b * 256 + t]),
            new Barrier(scope),
            new Store(y, [b * 256 + t], tile[t])
        );
        return Nest(g.Build(y), Loop(b, 4, LoopKind.BlockX, new Allocate(tile, body)));
    }

    /// <summary>y = 2·x of any length up to a largest one, four elements a thread.</summary>
    public static LoopNest SymbolicScale(long most)
    {
        var g = new AlgorithmBuilder("scale");
        var n = g.Parameter("n", most);
        var x = g.Input("x", DType.Float32, n);
        var i = new Axis("i", n);
        var y = g.Stage("y", [i], x[i] * 2f);
        var (b, t, v) = (new Var("y.i.o"), new Var("y.i.t"), new Var("y.i.v"));
        Expr at = b * 256 + t * 4 + v;
        Stmt body = Loop(v, 4, LoopKind.Vector, new If(at < n.Var, new Store(y, [at], x[at] * 2f)));
        body = new For(b, Op.CeilDiv(n.Var, 256), LoopKind.BlockX, Loop(t, 64, LoopKind.ThreadX, body));
        return Nest(g.Build(y), body);
    }
}
