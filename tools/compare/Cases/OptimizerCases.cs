using TorchSharp;
using TorchParameter = TorchSharp.Modules.Parameter;

namespace Picograd.Compare.Cases;

/// <summary>Five steps of every optimizer that TorchSharp has, with options drawn: a parameter, and a gradient each step.</summary>
internal static class OptimizerCases
{
    private const int Steps = 5;

    public static IEnumerable<Subject> All =>
        new Subject[]
        {
            new("SGD", Sgd),
            new("Adam", d => Adams(d, decoupled: false)),
            new("AdamW", d => Adams(d, decoupled: true)),
            new("Adagrad", Adagrads),
            new("RMSprop", RmsProps),
            new("Adadelta", Adadeltas),
            new("Adamax", Adamaxes),
            new("ASGD", Asgds),
            new("Rprop", Rprops),
            new("NAdam", NAdams),
            new("RAdam", RAdams),
            new("LBFGS", Lbfgs),
        }.Select(s => s with { Name = "optim." + s.Name });

    private static double Rate(Draw d) => d.Pick(1e-3, 0.01, 0.1, 0.5);

    private static double Decay(Draw d) => d.Pick(0, 0, 0.01, 0.3);

    private static (double, double) Betas(Draw d) => (d.Pick(0.9, 0.5, 0.0, 0.99), d.Pick(0.999, 0.9, 0.5));

    private static Trial Sgd(Draw d)
    {
        var (lr, maximize) = (Rate(d), d.Chance(0.3));
        // TorchSharp's decay makes parameters grow where it maximizes; PyTorch's shrinks them either way.
        double decay = maximize ? 0 : Decay(d);
        double momentum = d.Pick(0, 0.9, 0.5);
        bool nesterov = momentum > 0 && d.Chance(0.4);
        double dampening = nesterov ? 0 : d.Pick(0, 0, 0.3);
        return Given(
            d,
            $"SGD({lr}, {momentum}, {dampening}, {decay}, {nesterov}, {maximize})",
            p => new SGD(p, lr, momentum, dampening, decay, nesterov, maximize),
            p => torch.optim.SGD(p, lr, momentum, dampening, decay, nesterov, maximize)
        );
    }

    private static Trial Adams(Draw d, bool decoupled)
    {
        var (lr, decay, maximize, amsgrad) = (Rate(d), Decay(d), d.Chance(0.3), d.Chance(0.4));
        var (a, b) = Betas(d);
        double eps = d.Pick(1e-8, 1e-3);
        return Given(
            d,
            $"{(decoupled ? "AdamW" : "Adam")}({lr}, ({a}, {b}), {eps}, {decay}, {amsgrad}, {maximize})",
            p =>
                decoupled
                    ? new AdamW(p, lr, (a, b), eps, decay, amsgrad, maximize)
                    : new Adam(p, lr, (a, b), eps, decay, amsgrad, maximize),
            p =>
                decoupled
                    ? torch.optim.AdamW(p, lr, a, b, eps, decay, amsgrad, maximize)
                    : torch.optim.Adam(p, lr, a, b, eps, decay, amsgrad, maximize)
        );
    }

    private static Trial Adagrads(Draw d)
    {
        var (lr, slower, decay, start) = (Rate(d), d.Pick(0, 0.1), Decay(d), d.Pick(0, 0.5));
        return Given(
            d,
            $"Adagrad({lr}, {slower}, {decay}, {start})",
            p => new Adagrad(p, lr, slower, decay, start),
            p => torch.optim.Adagrad(p, lr, slower, decay, start)
        );
    }

    private static Trial RmsProps(Draw d)
    {
        var (lr, alpha, decay, momentum) = (Rate(d), d.Pick(0.99, 0.5), Decay(d), d.Pick(0, 0.9));
        bool centered = d.Chance(0.4);
        return Given(
            d,
            $"RMSprop({lr}, {alpha}, 1e-3, {decay}, {momentum}, {centered})",
            p => new RMSprop(p, lr, alpha, 1e-3, decay, momentum, centered),
            p => torch.optim.RMSProp(p, lr, alpha, 1e-3, decay, momentum, centered)
        );
    }

    private static Trial Adadeltas(Draw d)
    {
        var (lr, rho, decay) = (d.Pick(1, 0.3), d.Pick(0.9, 0.5), Decay(d));
        return Given(
            d,
            $"Adadelta({lr}, {rho}, 1e-6, {decay})",
            p => new Adadelta(p, lr, rho, 1e-6, decay),
            p => torch.optim.Adadelta(p, lr, rho, 1e-6, decay)
        );
    }

    private static Trial Adamaxes(Draw d)
    {
        var (lr, decay) = (Rate(d), Decay(d));
        var (a, b) = Betas(d);
        return Given(
            d,
            $"Adamax({lr}, ({a}, {b}), 1e-8, {decay})",
            p => new Adamax(p, lr, (a, b), 1e-8, decay),
            p => torch.optim.Adamax(p, lr, a, b, 1e-8, decay)
        );
    }

    private static Trial Asgds(Draw d)
    {
        var (lr, lambd, alpha, decay) = (Rate(d), d.Pick(1e-4, 0.1), d.Pick(0.75, 0.5), Decay(d));
        double t0 = d.Pick(1e6, 2.0);
        return Given(
            d,
            $"ASGD({lr}, {lambd}, {alpha}, {t0}, {decay})",
            p => new ASGD(p, lr, lambd, alpha, t0, decay),
            p => torch.optim.ASGD(p, lr, lambd, alpha, t0, decay)
        );
    }

    private static Trial Rprops(Draw d)
    {
        double lr = Rate(d);
        var (minus, plus) = (d.Pick(0.5, 0.3), d.Pick(1.2, 2));
        return Given(
            d,
            $"Rprop({lr}, ({minus}, {plus}))",
            p => new Rprop(p, lr, (minus, plus)),
            p => torch.optim.Rprop(p, lr, minus, plus)
        );
    }

    private static Trial NAdams(Draw d)
    {
        var (lr, decay, momentum) = (Rate(d), Decay(d), d.Pick(0.004, 0.1));
        var (a, b) = Betas(d);
        return Given(
            d,
            $"NAdam({lr}, ({a}, {b}), 1e-8, {decay}, {momentum})",
            p => new NAdam(p, lr, (a, b), 1e-8, decay, momentum),
            p => torch.optim.NAdam(p, lr, a, b, 1e-8, decay, momentum)
        );
    }

    private static Trial RAdams(Draw d)
    {
        var (lr, decay) = (Rate(d), Decay(d));
        var (a, b) = Betas(d);
        return Given(
            d,
            $"RAdam({lr}, ({a}, {b}), 1e-8, {decay})",
            p => new RAdam(p, lr, (a, b), 1e-8, decay),
            p => torch.optim.RAdam(p, lr, a, b, 1e-8, decay)
        );
    }

    // Of a quadratic form, since it asks for losses and gradients itself.
    private static Trial Lbfgs(Draw d)
    {
        var type = d.Pick(DType.Float32, DType.Float64);
        long size = d.Between(1, 6);
        var (lr, iterations) = (d.Pick(0.1, 0.5, 1), d.Between(1, 6));
        Sample[] inputs = [d.Of([size], type, tame: true), d.Of([size], type, tame: true)];
        return new(
            $"LBFGS({lr}, {iterations})",
            inputs,
            t =>
            {
                var w = t[0].Detach().Clone().RequiresGrad_();
                var optimizer = new LBFGS([w], lr, iterations);
                for (int i = 0; i < Steps; i++)
                    optimizer.Step(() =>
                    {
                        optimizer.ZeroGrad();
                        var loss = ((w - t[1]).Square() * 1.5 + w * 0.3).Sum();
                        loss.Backward();
                        return loss;
                    });
                return [w.Detach()];
            },
            t =>
            {
                var w = new TorchParameter(t[0].detach().clone());
                var optimizer = torch.optim.LBFGS([w], lr, iterations);
                for (int i = 0; i < Steps; i++)
                    optimizer.step(() =>
                    {
                        optimizer.zero_grad();
                        var loss = ((w - t[1]).square() * 1.5 + w * 0.3).sum();
                        loss.backward();
                        return loss;
                    });
                return [w.detach()];
            }
        )
        {
            Terms = 1 << 16,
            Gradients = false,
        };
    }

    private static Trial Given(
        Draw d,
        string text,
        Func<Tensor[], Optimizer> ours,
        Func<TorchParameter[], torch.optim.Optimizer> theirs
    )
    {
        var type = d.Pick(DType.Float32, DType.Float32, DType.Float64);
        // Of one number TorchSharp's Rprop refuses its own state.
        long[] shape = [.. d.Shape(1, 3).Select(s => Math.Max(s, 1))];
        // Odd gradients: of both signs, and 0.
        Sample[] inputs = [.. Enumerable.Range(0, 1 + Steps).Select(_ => d.Of(shape, type, tame: true))];
        return new(
            text,
            inputs,
            t =>
            {
                var w = t[0].Detach().Clone().RequiresGrad_();
                var optimizer = ours([w]);
                for (int i = 1; i <= Steps; i++)
                {
                    optimizer.ZeroGrad();
                    (w * t[i].Detach()).Sum().Backward();
                    optimizer.Step();
                }
                return [w.Detach()];
            },
            t =>
            {
                var w = new TorchParameter(t[0].detach().clone());
                var optimizer = theirs([w]);
                for (int i = 1; i <= Steps; i++)
                {
                    optimizer.zero_grad();
                    (w * t[i].detach()).sum().backward();
                    optimizer.step();
                }
                return [w.detach()];
            }
        )
        {
            Terms = 1 << 10,
            Gradients = false,
        };
    }
}
