using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;

namespace Picograd.Tune;

/// <summary>
/// What a self-check runs: every operator of the library on a small instance, and the families of kernels on the shapes
/// that decide between their forms (tiles that fit and tiles that overhang, short and long rows, all layouts).
/// </summary>
internal static class SelfcheckSpecs
{
    private static readonly string[] Families =
    [
        "matmul m=64 n=64 k=64",
        "matmul m=128 n=256 k=64",
        "matmul m=129 n=67 k=33",
        "matmul m=1 n=97 k=130",
        "matmul m=96 n=80 k=72 tb=1",
        "matmul m=72 n=96 k=80 ta=1",
        "matmul m=65 n=33 k=47 ta=1 tb=1",
        "matmul m=40 n=24 k=56 batch=5",
        "matmul m=70 n=90 k=40 bias=1 act=gelu",
        "softmax rows=37 cols=1000",
        "softmax rows=3 cols=5003",
        "log_softmax rows=65 cols=27",
        "layernorm rows=37 cols=768 affine=1",
        "layernorm rows=5 cols=4099",
        "rmsnorm rows=33 cols=300",
        "cross_entropy rows=50 classes=131",
        "cross_entropy.adjoint rows=50 classes=131",
        "sum rows=130 cols=1037 axis=0",
        "sum rows=130 cols=1037 axis=1",
        "max rows=33 cols=129 axis=1",
        "argmax rows=33 cols=129 axis=1",
        "exp n=4099",
        "add a=33x65 b=65",
        "copy shape=65x47 strides=1,65",
        "copy shape=64x128 strides=1,64",
        "transpose rows=129 cols=67",
        "conv2d n=2 c=8 h=14 w=14 oc=16 kh=3 kw=3 pad=1",
        "conv2d n=1 c=3 h=17 w=19 oc=5 kh=5 kw=3 stride=2 bias=1",
        "attention b=2 h=3 tq=40 tk=56 d=64",
        "attention b=1 h=4 tq=65 tk=65 d=32 causal=1",
        "embedding vocab=97 dim=40 rows=51",
        "embedding.adjoint vocab=97 dim=40 rows=51",
        "cumsum rows=9 cols=301",
    ];

    // What GPUs have kernels of their own for: tensor cores with all layouts and types, whole tiles and tails, long sums that
    // blocks share, more tiles than multiprocessors, attention on tensor cores, elements of 16 bits.
    private static readonly string[] OnGpus =
    [
        "matmul m=128 n=128 k=192 dtype=bf16 tb=1",
        "matmul m=136 n=72 k=136 dtype=bf16",
        "matmul m=72 n=129 k=104 dtype=bf16 ta=1 bias=1 act=gelu",
        "matmul m=96 n=160 k=128 dtype=f16 tb=1 bias=1 act=relu",
        "matmul m=72 n=64 k=88 dtype=f16 ta=1 batch=2",
        "matmul m=128 n=96 k=200 tf32=1 tb=1",
        "matmul m=65 n=72 k=68 tf32=1",
        "matmul m=64 n=64 k=2048 dtype=bf16 tb=1",
        "matmul m=1408 n=768 k=64 dtype=bf16 tb=1",
        "attention b=1 h=2 tq=64 tk=96 d=64 dtype=bf16",
        "attention b=1 h=2 tq=80 tk=80 d=32 causal=1 dtype=f16",
        "attention b=2 h=4 tq=32 tk=48 d=16 hk=2 dv=32 dtype=bf16",
        "layernorm rows=5 cols=768 dtype=f16",
        "sum rows=65 cols=1037 axis=1 dtype=bf16",
        "conv2d n=1 c=8 h=9 w=10 oc=16 kh=3 kw=3 pad=1 dtype=bf16",
        "add n=4099 dtype=f16",
    ];

    /// <summary>All instances for a target, each once; what is special to it first, since a check may have little time.</summary>
    public static IEnumerable<OperatorSpec> All(TargetInfo target) =>
        HandSchedules
            .All.Where(h => h.Applies(target))
            .Select(h => h.Spec)
            .Concat(target.Gpu is null ? [] : OnGpus)
            .Concat(OperatorLibrary.All.Select(o => o.Example))
            .Concat(Families)
            .Distinct()
            .Select(OperatorSpec.Parse);
}
