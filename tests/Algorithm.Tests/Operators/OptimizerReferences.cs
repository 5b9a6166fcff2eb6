namespace Picograd.Tests.Operators;

/// <summary>Plain loops for steps of optimizers, from the papers' formulas.</summary>
internal static class OptimizerReferences
{
    public static double[][] Of(Given g)
    {
        int n = g["P"].Length;
        string[] settings = (
            g.Spec.Name switch
            {
                "sgd" => "lr wd s",
                "sgd_momentum" or "sgd_nesterov" => "lr μ c wd s",
                "adam" or "adam_amsgrad" => "a β1 β1c β2 β2c ε r wd k s",
                "nadam" => "a b β1 β1c β2 β2c ε c wd k s",
                "radam" => "a u uc β1 β1c β2 β2c ε wd k s",
                "adamax" => "a β1 β1c β2 ε wd s",
                "adagrad" => "lr ε wd s",
                "adadelta" => "lr ρ ρc ε wd s",
                "rprop" => "η⁻ η⁺ low high wd s",
                "asgd" => "η μ k wd s",
                "rmsprop" => "lr α αc ε wd s",
                _ => "lr α αc ε wd s μ",
            }
        ).Split(' ');
        double H(string name) => g["H"].At(Array.IndexOf(settings, name));
        string[] states = g.Spec.Name switch
        {
            "sgd" => [],
            "sgd_momentum" or "sgd_nesterov" or "adagrad" or "rmsprop" => ["V"],
            "adam" or "nadam" or "radam" => ["M", "V"],
            "adam_amsgrad" => ["M", "V", "X"],
            "adamax" => ["M", "U"],
            "adadelta" => ["V", "D"],
            "rprop" => ["L", "T"],
            "asgd" => ["A"],
            _ => ["V", "B"],
        };
        double[][] outputs = [new double[n], .. states.Select(_ => new double[n])];
        for (int i = 0; i < n; i++)
        {
            var now = states.ToDictionary(s => s, s => g[s].At(i));
            double p = g["P"].At(i);
            double slope = H("s") * g["G"].At(i) + H("wd") * p;
            double Mean() => now["M"] = H("β1") * now["M"] + H("β1c") * slope;
            double Square() => now["V"] = H("β2") * now["V"] + H("β2c") * slope * slope;
            switch (g.Spec.Name)
            {
                case "sgd":
                    p -= H("lr") * slope;
                    break;
                case "sgd_momentum":
                    p -= H("lr") * (now["V"] = H("μ") * now["V"] + H("c") * slope);
                    break;
                case "sgd_nesterov":
                    now["V"] = H("μ") * now["V"] + H("c") * slope;
                    p -= H("lr") * (slope + H("μ") * now["V"]);
                    break;
                case "adam":
                    p = H("k") * p - H("a") * Mean() / (Math.Sqrt(Square()) / H("r") + H("ε"));
                    break;
                case "adam_amsgrad":
                    now["X"] = Math.Max(now["X"], Square());
                    p = H("k") * p - H("a") * Mean() / (Math.Sqrt(now["X"]) / H("r") + H("ε"));
                    break;
                case "nadam":
                    double root = Math.Sqrt(Square() / H("c")) + H("ε");
                    p = H("k") * p - H("a") * slope / root - H("b") * Mean() / root;
                    break;
                case "radam":
                    p = H("k") * p - H("a") * Mean() / (H("u") * (Math.Sqrt(Square()) + H("ε")) + H("uc"));
                    break;
                case "adamax":
                    now["U"] = Math.Max(H("β2") * now["U"], Math.Abs(slope) + H("ε"));
                    p -= H("a") * Mean() / now["U"];
                    break;
                case "adagrad":
                    now["V"] += slope * slope;
                    p -= H("lr") * slope / (Math.Sqrt(now["V"]) + H("ε"));
                    break;
                case "adadelta":
                    now["V"] = H("ρ") * now["V"] + H("ρc") * slope * slope;
                    double delta = Math.Sqrt(now["D"] + H("ε")) / Math.Sqrt(now["V"] + H("ε")) * slope;
                    now["D"] = H("ρ") * now["D"] + H("ρc") * delta * delta;
                    p -= H("lr") * delta;
                    break;
                case "rprop":
                    double turn = Math.Sign(slope * now["L"]);
                    now["T"] *=
                        turn > 0 ? H("η⁺")
                        : turn < 0 ? H("η⁻")
                        : 1;
                    now["T"] = Math.Min(Math.Max(now["T"], H("low")), H("high"));
                    now["L"] = turn < 0 ? 0 : slope;
                    p -= Math.Sign(now["L"]) * now["T"];
                    break;
                case "asgd":
                    p = H("k") * p - H("η") * slope;
                    now["A"] += H("μ") * (p - now["A"]);
                    break;
                default:
                    now["V"] = H("α") * now["V"] + H("αc") * slope * slope;
                    double step = slope / (Math.Sqrt(now["V"]) + H("ε"));
                    p -= H("lr") * (now.ContainsKey("B") ? now["B"] = H("μ") * now["B"] + step : step);
                    break;
            }
            outputs[0][i] = p;
            for (int s = 0; s < states.Length; s++)
                outputs[1 + s][i] = now[states[s]];
        }
        return outputs;
    }
}
